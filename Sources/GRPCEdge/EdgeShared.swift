import Synchronization

/// What all connections of a server share.
final class EdgeShared: Sendable {
    let methods: MethodTable
    let settings: EdgeSettings
    let events: EventGate
    private let connections = Atomic<Int>(0)
    /// The known addresses that have connections.
    private let addresses = Mutex<[String: (address: ClientAddress, connections: Int)]>([:])
    private let requestBytes = Atomic<Int>(0)

    init(methods: [Method], settings: EdgeSettings, events: EventGate) {
        self.methods = MethodTable(methods: methods)
        self.settings = settings
        self.events = events
    }

    var openConnections: Int { connections.load(ordering: .relaxed) }

    /// Counts a connection in, unless this limit is reached.
    func admitConnection(from ip: String?) throws(ConnectionLimit) -> ClientAddress {
        let count = connections.add(1, ordering: .relaxed).newValue
        guard count <= settings.maximumConnections else {
            connections.subtract(1, ordering: .relaxed)
            throw ConnectionLimit(limit: settings.maximumConnections)
        }
        guard let ip else { return ClientAddress(nil) }
        let limit = settings.connectionsPerAddress
        let admitted = addresses.withLock { addresses -> ClientAddress? in
            let known = addresses[ip] ?? (ClientAddress(ip), 0)
            guard known.connections < limit else { return nil }
            addresses[ip] = (known.address, known.connections + 1)
            return known.address
        }
        if let admitted { return admitted }
        connections.subtract(1, ordering: .relaxed)
        throw ConnectionLimit(limit: limit)
    }

    /// Counts a connection out that was admitted.
    func releaseConnection(from address: ClientAddress) {
        connections.subtract(1, ordering: .relaxed)
        guard let ip = address.ip else { return }
        addresses.withLock { addresses in
            let rest = (addresses[ip]?.connections ?? 1) - 1
            addresses[ip] = rest > 0 ? (address, rest) : nil
        }
    }

    /// Takes bytes for an incomplete request; false, and not taken, when all are in use, or the
    /// address's share of them.
    func reserveRequestBytes(_ count: Int, for address: ClientAddress) -> Bool {
        let limit = settings.maximumBufferedRequestBytes
        let own = address.requestBytes.add(count, ordering: .relaxed).newValue
        let all = requestBytes.add(count, ordering: .relaxed).newValue
        let share = address.ip == nil ? limit : EdgeSettings.shareOfOneAddress(of: limit)
        if all <= limit, own <= share { return true }
        releaseRequestBytes(count, of: address)
        return false
    }

    func releaseRequestBytes(_ count: Int, of address: ClientAddress) {
        guard count > 0 else { return }
        requestBytes.subtract(count, ordering: .relaxed)
        address.requestBytes.subtract(count, ordering: .relaxed)
    }
}

/// One IP address, and what its connections hold together: no address alone keeps the others out.
final class ClientAddress: Sendable {
    /// Nil when it is not known: such a connection is an address of its own, whose share is all.
    let ip: String?
    /// Bytes of incomplete requests.
    fileprivate let requestBytes = Atomic<Int>(0)

    fileprivate init(_ ip: String?) {
        self.ip = ip
    }
}

/// No more connections are taken: so many are open already, of all or of one address.
struct ConnectionLimit: Error {
    let limit: Int
}
