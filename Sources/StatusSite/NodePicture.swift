import LatchMachine
import LatchNode
import RaftCore

/// One node as `/api/node` tells it. Fields are documented in `Docs/Operations.md`.
struct NodePicture: Codable, Sendable {
    struct Check: Codable, Sendable {
        var name: String
        var passes: Bool
        var reason: String
    }

    struct Peer: Codable, Sendable {
        var id: UInt16
        var connected: Bool
        /// On the leader only.
        var lagEntries: UInt64?
        var lastHeardMs: UInt64?
    }

    var id: UInt16
    var cluster: String
    var version: String
    /// Milliseconds since 1970.
    var time: UInt64
    var healthy: Bool
    var checks: [Check]
    /// Nil if the node did not answer.
    var role: String?
    var term: UInt64?
    var leader: UInt16?
    var commitIndex: UInt64?
    var appliedIndex: UInt64?
    var lastLogIndex: UInt64?
    var snapshotIndex: UInt64?
    var snapshotBytes: UInt64?
    var leaderChanges: UInt64?
    var latches: Int?
    var sessions: Int?
    var eventStreams: Int?
    var pendingCalls: Int?
    var connections: Int?
    var uptimeMs: UInt64?
    /// Of all writes since the start, in milliseconds; nil before the first.
    var diskMedianMs: Double?
    var diskP99Ms: Double?
    var diskWaitMs: UInt64?
    /// How old what the node shows may be; nil if it never heard a leader.
    var leaderAgeMs: UInt64?
    var cpuSeconds: Double?
    var residentBytes: UInt64?
    var digest: String?
    var peers: [Peer] = []

    init(_ reading: Reading, _ health: Health, _ settings: SiteSettings, _ node: NodeSettings) {
        id = node.server.rawValue
        cluster = settings.cluster
        version = settings.version
        time = reading.wallMilliseconds
        healthy = health.passes
        checks = health.checks.map {
            Check(name: $0.name.rawValue, passes: $0.passes, reason: $0.reason)
        }
        connections = reading.edge?.connections
        cpuSeconds = reading.process.cpuSeconds
        residentBytes = reading.process.residentBytes
        if let read = reading.node { take(read, node) }
    }

    private mutating func take(_ read: NodeReading, _ node: NodeSettings) {
        let (status, raft) = (read.status, read.status.raft)
        role = raft.role.word
        term = raft.currentTerm.rawValue
        leader = raft.leader?.rawValue
        commitIndex = raft.commitIndex.rawValue
        appliedIndex = status.lastApplied
        lastLogIndex = raft.lastLogIndex.rawValue
        snapshotIndex = raft.snapshotIndex.rawValue
        snapshotBytes = read.meters.snapshotBytes
        leaderChanges = read.meters.leaderChanges
        latches = status.primitives
        sessions = status.sessions
        eventStreams = status.subscribers
        pendingCalls = status.pendingCalls
        uptimeMs = status.uptimeMilliseconds
        diskMedianMs = read.meters.persists.quantile(0.5).map { Double($0) / 1e6 }
        diskP99Ms = read.meters.persists.quantile(0.99).map { Double($0) / 1e6 }
        diskWaitMs = read.diskWaitMilliseconds
        leaderAgeMs = read.leaderAgeMilliseconds
        digest = String(status.digest, radix: 16)
        for member in node.members where member.id != node.server {
            var peer = Peer(
                id: member.id.rawValue, connected: status.connectedPeers.contains(member.id))
            if let follower = raft.followers.first(where: { $0.id == member.id }) {
                let (last, match) = (raft.lastLogIndex.rawValue, follower.matchIndex.rawValue)
                peer.lagEntries = last >= match ? last - match : 0
                peer.lastHeardMs = status.moment.milliseconds(since: follower.lastHeard)
            }
            peers.append(peer)
        }
    }
}

extension Role {
    /// The word for JSON and people.
    var word: String {
        switch self {
        case .follower: "follower"
        case .preCandidate, .candidate: "candidate"
        case .leader: "leader"
        }
    }
}
