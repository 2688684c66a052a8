import GRPCEdge

/// What one file says, key by key, before the rules that compare keys have been applied.
///
/// A nil field is a key that is absent or was reported as wrong.
struct ConfigurationDraft {
    var cluster: Located<String>?
    var node: Located<Int>?
    var data: Located<String>?
    var peerListen: Located<HostPort>?
    var clientListen: Located<HostPort>?
    var statusListen: Located<HostPort>?
    var members: Located<[Member]>?
    var incarnation: Located<Int>?
    var heartbeat: Located<Int>?
    var electionTimeout: Located<ClosedRange<Int>>?
    var requestTimeout: Located<Int>?
    var perAddress: Located<Int>?
    /// The sections whose values need no comparison, defaults filled in.
    var raft = NodeConfiguration.Raft()
    var sessions = NodeConfiguration.Sessions()
    var limits = NodeConfiguration.Limits()
    var snapshot = NodeConfiguration.Snapshot()
    var log = NodeConfiguration.Log()

    struct Member {
        var position: Position
        var path: String
        var id: Located<Int>?
        var peer: Located<HostPort>?
        var client: Located<HostPort>?
        var status: Located<HostPort>?
    }

    static let keys = [
        "cluster", "node", "data", "listen", "status", "members", "incarnation", "raft", "sessions",
        "limits",
        "snapshot", "log",
    ]

    init(_ tree: ConfigurationTree, problems: ProblemList) {
        let top = MappingReader(tree, path: "", keys: Self.keys, problems: problems)
        guard case .mapping = tree else { return }
        cluster = top.required("cluster", meaning: "the name that all nodes of the cluster share")?
            .text("the cluster's name")
        node = top.required("node", meaning: "the id of this node, one of the members")?
            .integer(1...65_535)
        data = top.required("data", meaning: "the directory for this node's data")?
            .text("a directory")
        if let listen = top.optional("listen")?.mapping(keys: ["peer", "client"]) {
            peerListen = listen.optional("peer")?.address()
            clientListen = listen.optional("client")?.address()
        }
        statusListen = top.optional("status")?.address()
        readMembers(top, problems: problems)
        incarnation = top.optional("incarnation")?.integer(0...65_535)
        readRaft(top)
        readRest(top)
    }

    /// Where the keys stand that nodes of one cluster compare with each other.
    var places: [String: Position] {
        var places: [String: Position] = [:]
        func note<Value>(_ value: Located<Value>?) {
            if let value { places[value.path] = value.position }
        }
        note(cluster)
        note(node)
        note(data)
        note(members)
        note(incarnation)
        for address in [peerListen, clientListen, statusListen] { note(address) }
        return places
    }

    private mutating func readMembers(_ top: MappingReader, problems: ProblemList) {
        let list = top.required(
            "members", meaning: "the list of all nodes with id, peer and client")?
            .list(of: "members")
        guard let list else { return }
        let members = list.value.map { element in
            let keys = element.mapping(keys: ["id", "peer", "client", "status"])
            guard case .mapping = element.tree else {
                return Member(position: element.tree.position, path: element.path)
            }
            return Member(
                position: element.tree.position, path: element.path,
                id: keys.required("id", meaning: "a number from 1 to 65535")?.integer(1...65_535),
                peer: keys.required("peer", meaning: "host:port for the other nodes")?.address(),
                client: keys.required("client", meaning: "host:port for clients")?.address(),
                status: keys.optional("status")?.address())
        }
        self.members = Located(value: members, position: list.position, path: list.path)
    }

    private mutating func readRaft(_ top: MappingReader) {
        let keys = ["heartbeat", "election_timeout", "unreachable_leader_delay"]
        guard let section = top.optional("raft")?.mapping(keys: keys) else { return }
        heartbeat = section.optional("heartbeat")?.duration(5...10_000)
        electionTimeout = section.optional("election_timeout")?.durationRange(50...120_000)
        let delay = section.optional("unreachable_leader_delay")?.duration(1...1_000)
        raft.heartbeatMilliseconds = heartbeat?.value ?? raft.heartbeatMilliseconds
        raft.electionTimeoutMilliseconds =
            electionTimeout?.value ?? raft.electionTimeoutMilliseconds
        raft.unreachableLeaderDelayMilliseconds =
            delay?.value ?? raft.unreachableLeaderDelayMilliseconds
    }

    private mutating func readRest(_ top: MappingReader) {
        if let section = top.optional("sessions")?.mapping(keys: ["grace"]) {
            let grace = section.optional("grace")?.duration(0...60_000)
            sessions.graceMilliseconds = grace?.value ?? sessions.graceMilliseconds
        }
        readLimits(top)
        if let section = top.optional("snapshot")?.mapping(keys: ["every_entries", "keep_entries"])
        {
            let every = section.optional("every_entries")?.integer(100...100_000_000)
            let keep = section.optional("keep_entries")?.integer(0...10_000_000)
            snapshot.everyEntries = every?.value ?? snapshot.everyEntries
            snapshot.keepEntries = keep?.value ?? snapshot.keepEntries
        }
        if let section = top.optional("log")?.mapping(keys: ["level", "format"]) {
            log.level =
                section.optional("level")?.choice(NodeConfiguration.Log.Level.self)?.value
                ?? log.level
            log.format = section.optional("format")?.choice(LogFormat.self)?.value ?? log.format
        }
    }

    private mutating func readLimits(_ top: MappingReader) {
        let keys = [
            "requests_in_flight", "event_streams", "client_connections",
            "client_connections_per_address", "request_timeout", "uncommitted_bytes",
        ]
        guard let section = top.optional("limits")?.mapping(keys: keys) else { return }
        func count(_ key: String, _ fallback: Int) -> Int {
            section.optional(key)?.integer(1...1_000_000)?.value ?? fallback
        }
        limits.requestsInFlight = count("requests_in_flight", limits.requestsInFlight)
        limits.eventStreams = count("event_streams", limits.eventStreams)
        limits.clientConnections = count("client_connections", limits.clientConnections)
        perAddress = section.optional("client_connections_per_address")?.integer(1...1_000_000)
        limits.clientConnectionsPerAddress =
            perAddress?.value ?? EdgeSettings.shareOfOneAddress(of: limits.clientConnections)
        requestTimeout = section.optional("request_timeout")?.duration(100...300_000)
        limits.requestTimeoutMilliseconds =
            requestTimeout?.value ?? limits.requestTimeoutMilliseconds
        limits.uncommittedBytes =
            section.optional("uncommitted_bytes")?.size(1 << 20...1 << 30)?.value
            ?? limits.uncommittedBytes
    }
}
