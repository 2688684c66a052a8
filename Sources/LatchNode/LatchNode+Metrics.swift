package import LatchMachine
import NIOCore
import RaftCore

// What status pages and metrics ask, answered on the node's loop with copies.
extension LatchNode {
    /// The node's numbers as they stand; waits for the loop.
    package func read() async throws -> NodeReading {
        try await loop.submit { [self] in
            let now = loop.now.uptimeNanoseconds
            let oldest = meters.persistsUnderWay.first?.began ?? now
            let progress = max(meters.lastProgress, started.uptimeNanoseconds)
            return NodeReading(
                status: currentStatus, meters: meters,
                diskWaitMilliseconds: (now &- min(oldest, now)) / 1_000_000,
                idleMilliseconds: (now &- min(progress, now)) / 1_000_000,
                leaderAgeMilliseconds: leadership.isServing
                    ? 0 : leaderHeardAt.map { self.now.milliseconds(since: $0) },
                nanoseconds: now)
        }.get()
    }

    /// At most `limit` latches after `after`, as this node has applied them: stale where the node
    /// is behind, and available without a quorum. A short stretch of the loop's time, so `limit`
    /// is a few hundred.
    package func localLatches(
        namespace: String? = nil, prefix: String = "", after: PrimitiveName?, limit: Int
    ) async throws -> [ListedLatch] {
        try await loop.submit { [self] in
            machine.latches(namespace: namespace, prefix: prefix, after: after, limit: limit)
                .map { ListedLatch(name: $0.0, state: $0.1) }
        }.get()
    }

    /// Remembers an event for people, on `loop`.
    func note(_ event: NodeEvent) {
        meters.append(event, at: loop.now.uptimeNanoseconds)
    }

    /// Counts and remembers a change of term or leader; `leadership` is still the one before.
    func noteLeadership(_ role: Role, _ term: Term, _ leader: ServerID?) {
        if let leader, leader != meters.lastLeader {
            meters.lastLeader = leader
            meters.leaderChanges += 1
        }
        note(.leadership(role: role, term: term, leader: leader))
    }
}
