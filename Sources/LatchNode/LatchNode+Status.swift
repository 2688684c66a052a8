import LatchMachine
import Logging
import NIOCore
import RaftCore
import Synchronization

// What a node tells of itself.
extension LatchNode {
    /// The node as it was a moment ago, from any thread; ``NodeRequest/status(_:)`` asks for how it
    /// is.
    package var status: NodeStatus { published.withLock { $0 } }

    /// Calls `observer` on the node's loop with every change of readiness, beginning with the
    /// current one.
    package func observeReadiness(_ observer: @escaping @Sendable (Readiness) -> Void) {
        loop.execute { [self] in
            readinessObservers.append(observer)
            observer(published.withLock { $0.readiness })
        }
    }

    /// Reports turns that kept peers and clients waiting, once a second at most. A machine that is
    /// short of processors or memory has them too.
    func noteDuration(since began: NIODeadline) {
        let ended = loop.now
        let duration = ended - began
        meters.turns.record(duration.nanoseconds.magnitude)
        if duration >= Self.slowTurn {
            slowTurns.count += 1
            slowTurns.longest = max(slowTurns.longest, duration)
        }
        guard slowTurns.count > 0, ended - slowTurns.toldAt >= .seconds(1) else { return }
        logger.notice(
            "slow turns",
            metadata: [
                "count": "\(slowTurns.count)",
                "longest_ms": "\(slowTurns.longest.nanoseconds / 1_000_000)",
            ])
        slowTurns = SlowTurns(toldAt: ended)
    }

    /// The node as it is; on `loop` only.
    var currentStatus: NodeStatus {
        NodeStatus(
            raft: raft.status, sessions: machine.sessionCount, primitives: machine.primitiveCount,
            subscribers: subscribers.count, pendingCalls: calls.count + reads.count,
            lastApplied: machine.lastApplied,
            logTimeMilliseconds: machine.logTimeMilliseconds, digest: machine.digest,
            uptimeMilliseconds: (loop.now - started).nanoseconds.magnitude / 1_000_000,
            connectedPeers: settings.members.map(\.id).filter {
                $0 != settings.server && transport.isConnected($0)
            },
            readiness: leadership.readiness, moment: now)
    }

    /// Publishes the node's status: at once when leadership changed, otherwise every 20 ms at most.
    func publish(at now: Instant) {
        isPublicationDue = true
        guard
            leadership != publishedLeadership
                || now.milliseconds(since: publishedAt) >= Self.publicationInterval
        else { return }
        publishedLeadership = leadership
        publishedAt = now
        isPublicationDue = false
        let status = currentStatus
        let changed = published.withLock { published in
            defer { published = status }
            return published.readiness != status.readiness
        }
        guard changed else { return }
        for observer in readinessObservers { observer(status.readiness) }
    }
}

/// The slow turns that the log has not told yet.
struct SlowTurns {
    var toldAt: NIODeadline
    var count = 0
    var longest = TimeAmount.zero
}
