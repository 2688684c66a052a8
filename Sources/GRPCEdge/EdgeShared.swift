import Synchronization

/// What all connections of a server share.
final class EdgeShared: Sendable {
    let methods: MethodTable
    let settings: EdgeSettings
    let events: EventGate
    private let connections = Atomic<Int>(0)
    private let requestBytes = Atomic<Int>(0)

    init(methods: [Method], settings: EdgeSettings, events: EventGate) {
        self.methods = MethodTable(methods: methods)
        self.settings = settings
        self.events = events
    }

    var openConnections: Int { connections.load(ordering: .relaxed) }

    /// Counts a connection in; false, and not counted, when the limit is reached.
    func admitConnection() -> Bool {
        let count = connections.add(1, ordering: .relaxed).newValue
        if count <= settings.maximumConnections { return true }
        connections.subtract(1, ordering: .relaxed)
        return false
    }

    func releaseConnection() {
        connections.subtract(1, ordering: .relaxed)
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
