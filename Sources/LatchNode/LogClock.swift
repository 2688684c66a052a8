package import RaftCore

/// The leader's log time: its monotonic clock, continued from the last stamp in its log.
///
/// Invariants: log time never goes back and never runs faster than the leader's own clock. It
/// stands still while there is no leader, and a pause of the process longer than one election
/// timeout adds one election timeout only, so that a paused machine ages no session.
package struct LogClock: Sendable {
    private let maximumStepMilliseconds: UInt64
    private var current: UInt64 = 0
    private var lastTurn: Instant?

    package init(maximumStepMilliseconds: UInt64) {
        self.maximumStepMilliseconds = maximumStepMilliseconds
    }

    /// This server leads and has applied every entry of earlier terms: log time runs on from
    /// `stamp`.
    package mutating func start(from stamp: UInt64, at now: Instant) {
        current = max(current, stamp)
        lastTurn = now
    }

    /// This server no longer leads: its clock stands still.
    package mutating func stop() {
        lastTurn = nil
        current = 0
    }

    package var isRunning: Bool { lastTurn != nil }

    /// Log time at `now`. Call it at every turn of the loop while this server leads.
    package mutating func advance(to now: Instant) -> UInt64 {
        guard let last = lastTurn else { return current }
        current += min(now.milliseconds(since: last), maximumStepMilliseconds)
        lastTurn = max(last, now)
        return current
    }

    /// The moment at which log time will have reached `stamp`, if nothing pauses.
    package func instant(of stamp: UInt64) -> Instant? {
        guard let lastTurn else { return nil }
        return lastTurn.advanced(byMilliseconds: stamp > current ? stamp - current : 0)
    }
}
