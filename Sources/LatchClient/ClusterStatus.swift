/// What every node says, put together.
public struct ClusterStatus: Sendable, Hashable {
    /// One node: what it says, or why it says nothing.
    public struct Node: Sendable, Hashable {
        /// Its server id; nil when no node that answered names a member with this address.
        public var id: UInt32?
        /// Where it was asked; nil when its client address is not known.
        public var endpoint: Endpoint?
        /// Its own view; nil if it did not answer.
        public var status: NodeStatus?
        /// Why it did not answer.
        public var failure: String?
    }

    /// How well the cluster is, seen from here.
    public enum Health: Sendable, Hashable {
        /// A leader that a majority follows.
        case healthy(leader: UInt32)
        /// A leader is known, but fewer than a majority were seen to follow it.
        case noQuorum(leader: UInt32, followers: Int, needed: Int)
        /// No node that answered knows a leader.
        case noLeader
        /// No node answered.
        case unreachable
    }

    /// In ascending id; those without one come last.
    public let nodes: [Node]

    init(nodes: [Node]) {
        self.nodes = nodes
    }

    /// The view of the leader of the highest term; nil if it did not answer.
    public var leader: NodeStatus? {
        nodes.compactMap(\.status).filter { $0.role == .leader }.max {
            $0.currentTerm < $1.currentTerm
        }
    }

    /// The highest term that any node knows.
    public var currentTerm: UInt64 { nodes.compactMap(\.status?.currentTerm).max() ?? 0 }

    /// The cluster's name, from any node.
    public var cluster: String? { nodes.lazy.compactMap(\.status?.cluster).first }

    /// A follower that the leader heard longer ago than this does not count for the quorum.
    static let recently: Duration = .seconds(2)

    /// Judges the whole.
    public var health: Health {
        let answers = nodes.compactMap(\.status)
        guard !answers.isEmpty else { return .unreachable }
        // Only the highest term counts: a leader of an older one is cut off and does not
        // know it yet.
        let term = currentTerm
        let claims = answers.filter { $0.currentTerm == term }.compactMap(\.leaderID)
        guard let leaderID = claims.first else { return .noLeader }
        let memberIDs = Set(answers.flatMap { $0.members.map(\.id) })
        let needed = memberIDs.count / 2 + 1
        // Others may still follow one that is gone: it counts if it answered, like anybody.
        var following: Set<UInt32> = []
        for answer in answers where answer.currentTerm == term && answer.leaderID == leaderID {
            following.insert(answer.id)
        }
        for member in answers.first(where: { $0.id == leaderID })?.members ?? [] {
            guard let heard = member.replication?.sinceHeard, heard <= Self.recently else {
                continue
            }
            following.insert(member.id)
        }
        return following.count >= needed
            ? .healthy(leader: leaderID)
            : .noQuorum(leader: leaderID, followers: following.count, needed: needed)
    }

    /// How many entries of the log `node` has yet to apply, measured against the highest committed
    /// index anyone knows.
    public func lag(of node: Node) -> UInt64? {
        guard let applied = node.status?.lastApplied else { return nil }
        let committed = nodes.compactMap(\.status?.commitIndex).max() ?? 0
        return committed > applied ? committed - applied : 0
    }
}
