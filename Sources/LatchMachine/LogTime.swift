/// The time that sessions live in: it passes only while a leader stamps entries (S5, S7).
struct LogTime: Sendable {
    /// The highest stamp applied. Never goes back.
    private(set) var nowMilliseconds: UInt64 = 0
    /// When the newest leader was elected, and for how long sessions are spared since then.
    private(set) var graceStartMilliseconds: UInt64 = 0
    private(set) var graceMilliseconds: UInt64 = 0

    init() {}

    /// Takes what a snapshot kept.
    init(now: UInt64, graceStart: UInt64, grace: UInt64) {
        nowMilliseconds = now
        graceStartMilliseconds = graceStart
        graceMilliseconds = grace
    }

    mutating func advance(to stampMilliseconds: UInt64) {
        nowMilliseconds = max(nowMilliseconds, stampMilliseconds)
    }

    /// Starts a grace now. One that ends later than this one stays in force, so that effective
    /// deadlines never go back.
    mutating func beginGrace(milliseconds: UInt64) {
        let earlierEnd = graceStartMilliseconds.addingSaturated(graceMilliseconds)
        let rest = earlierEnd > nowMilliseconds ? earlierEnd - nowMilliseconds : 0
        graceStartMilliseconds = nowMilliseconds
        graceMilliseconds = max(milliseconds, rest)
    }

    /// A full timeout from now.
    func deadline(timeout timeoutMilliseconds: UInt64) -> UInt64 {
        nowMilliseconds.addingSaturated(timeoutMilliseconds)
    }

    /// The log time that a session outlives at least: its deadline, or the end of the grace, which
    /// is never longer than the session's own timeout (§4 of the design).
    func effectiveDeadline(of session: Session) -> UInt64 {
        let spared = min(graceMilliseconds, session.timeoutMilliseconds)
        return max(
            session.deadlineMilliseconds, graceStartMilliseconds.addingSaturated(spared))
    }
}

extension UInt64 {
    /// The difference, or 0 if the other is larger.
    func subtractingToZero(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }

    /// The sum, or the largest number if it does not fit.
    func addingSaturated(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
