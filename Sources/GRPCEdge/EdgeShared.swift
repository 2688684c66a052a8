import Synchronization

/// What all connections of a server share.
final class EdgeShared: Sendable {
    let methods: MethodTable
    let settings: EdgeSettings
    let events: EventGate
    private let connections = Atomic<Int>(0)
    /// Connections of each address; no entry is zero.
    private let addresses = Mutex<[String: Int]>([:])
    private let requestBytes = Atomic<Int>(0)

    init(methods: [Method], settings: EdgeSettings, events: EventGate) {
        self.methods = MethodTable(methods: methods)
        self.settings = settings
        self.events = events
    }

    var openConnections: Int { connections.load(ordering: .relaxed) }

    /// Counts a connection in, unless a limit is reached: then that limit is returned. An address
    /// that is not known has no limit of its own.
    func admitConnection(from address: String?) -> Int? {
        let count = connections.add(1, ordering: .relaxed).newValue
        guard count <= settings.maximumConnections else {
            connections.subtract(1, ordering: .relaxed)
            return settings.maximumConnections
        }
        guard let address else { return nil }
        let limit = settings.connectionsPerAddress
        let isAdmitted = addresses.withLock { addresses in
            guard addresses[address, default: 0] < limit else { return false }
            addresses[address, default: 0] += 1
            return true
        }
        if isAdmitted { return nil }
        connections.subtract(1, ordering: .relaxed)
        return limit
    }

    /// Counts a connection out that was admitted from this address.
    func releaseConnection(from address: String?) {
        connections.subtract(1, ordering: .relaxed)
        guard let address else { return }
        addresses.withLock { addresses in
            let rest = addresses[address, default: 0] - 1
            addresses[address] = rest > 0 ? rest : nil
        }
    }

    /// Takes bytes for an incomplete request; false, and not taken, when all are in use.
    func reserveRequestBytes(_ count: Int) -> Bool {
        let total = requestBytes.add(count, ordering: .relaxed).newValue
        if total <= settings.maximumBufferedRequestBytes { return true }
        requestBytes.subtract(count, ordering: .relaxed)
        return false
    }

    func releaseRequestBytes(_ count: Int) {
        if count > 0 { requestBytes.subtract(count, ordering: .relaxed) }
    }
}
