import RaftCore

/// The leader's log time, as a node keeps it: its own clock, continued from the last stamp it
/// applied; a pause counts as one election timeout at most.
struct LogClock: Sendable {
    private var current: UInt64 = 0
    private var lastTurn: UInt64?

    var isRunning: Bool { lastTurn != nil }

    mutating func start(from stamp: UInt64, at now: UInt64) {
        current = stamp
        lastTurn = now
    }

    mutating func stop() { lastTurn = nil }

    mutating func advance(to now: UInt64, atMost step: UInt64) -> UInt64 {
        guard let last = lastTurn else { return current }
        current += min(now - last, step)
        lastTurn = now
        return current
    }
}
