import LatchAPI

/// What a node is in its Raft term.
public enum NodeRole: String, Sendable, Hashable {
    /// Follows a leader, or waits for one.
    case follower
    /// Asks whether an election could be won.
    case preCandidate = "pre-candidate"
    /// Stands for election.
    case candidate
    /// Leads.
    case leader
    /// A role that this version does not know.
    case unknown
}

/// One node's view of itself and of the cluster.
public struct NodeStatus: Sendable, Hashable {
    /// The cluster's name.
    public var cluster: String
    /// The node's server id.
    public var id: UInt32
    /// The version of its program.
    public var version: String
    /// What it is in ``currentTerm``.
    public var role: NodeRole
    /// It knows a leader and answers calls.
    public var isReady: Bool
    /// Since its process started.
    public var uptime: Duration
    /// The Raft term.
    public var currentTerm: UInt64
    /// The server that leads in ``currentTerm``; nil when it knows none.
    public var leaderID: UInt32?
    /// The last index known to be committed.
    public var commitIndex: UInt64
    /// The last index applied to the state.
    public var lastApplied: UInt64
    /// The last index in the log.
    public var lastLogIndex: UInt64
    /// The last index covered by the newest snapshot; 0 when there is none.
    public var snapshotIndex: UInt64
    /// Open sessions.
    public var sessions: UInt64
    /// Latches that exist.
    public var latches: UInt64
    /// Equal on nodes with equal ``lastApplied``.
    public var stateDigest: UInt64
    /// All members, this node too, in ascending id.
    public var members: [MemberStatus]
}

/// One member, as one node sees it.
public struct MemberStatus: Sendable, Hashable {
    /// How a leader brings a follower up to date.
    public enum Pace: String, Sendable, Hashable {
        /// Looking for the last entry in common.
        case probe
        /// Streaming entries as they come.
        case replicate
        /// Sending a snapshot.
        case snapshot
        /// A state that this version does not know.
        case unknown
    }

    /// A leader's book-keeping about a follower.
    public struct Replication: Sendable, Hashable {
        /// The highest index known to be on the follower's disk.
        public var matchIndex: UInt64
        /// The index of the next entry to send.
        public var nextIndex: UInt64
        /// How entries are sent.
        public var pace: Pace
        /// Since the follower was last heard; nil when it was not heard in this term.
        public var sinceHeard: Duration?
    }

    /// The member's server id.
    public var id: UInt32
    /// `host:port` for other members.
    public var peerAddress: String
    /// `host:port` for clients; may be empty when unknown.
    public var clientAddress: String
    /// Only a leader has it, and not for itself.
    public var replication: Replication?
}

extension NodeStatus {
    init(_ response: Latchd_V1_StatusResponse) {
        let node = response.node
        self.init(
            cluster: response.cluster, id: node.id, version: node.version,
            role: NodeRole(node.role), isReady: node.ready,
            uptime: .milliseconds(Int64(clamping: node.uptimeMs)), currentTerm: node.currentTerm,
            leaderID: node.leaderID == 0 ? nil : node.leaderID, commitIndex: node.commitIndex,
            lastApplied: node.lastApplied, lastLogIndex: node.lastLogIndex,
            snapshotIndex: node.snapshotIndex, sessions: node.sessions, latches: node.latches,
            stateDigest: node.stateDigest, members: response.members.map(MemberStatus.init))
    }
}

extension NodeRole {
    init(_ role: Latchd_V1_Role) {
        self =
            switch role {
            case .follower: .follower
            case .preCandidate: .preCandidate
            case .candidate: .candidate
            case .leader: .leader
            case .unspecified, .UNRECOGNIZED: .unknown
            }
    }
}

extension MemberStatus {
    init(_ member: Latchd_V1_MemberStatus) {
        self.init(
            id: member.id, peerAddress: member.peerAddress, clientAddress: member.clientAddress,
            replication: member.hasReplication ? Replication(member.replication) : nil)
    }
}

extension MemberStatus.Replication {
    init(_ replication: Latchd_V1_Replication) {
        let pace: MemberStatus.Pace =
            switch replication.state {
            case .probe: .probe
            case .replicate: .replicate
            case .snapshot: .snapshot
            case .unspecified, .UNRECOGNIZED: .unknown
            }
        self.init(
            matchIndex: replication.matchIndex, nextIndex: replication.nextIndex, pace: pace,
            sinceHeard: replication.hasLastHeardMs
                ? .milliseconds(Int64(clamping: replication.lastHeardMs)) : nil)
    }
}
