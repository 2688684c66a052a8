/// Whether a client reads the answers of a call that cannot end, or go on, before it does.
///
/// In the time of a request it has to take at least half of what waited for it at the beginning:
/// who takes a byte now and then to keep megabytes alive has a few of those times, not for ever.
struct ReaderPace {
    private var period: Period?

    /// A time in which the client has to read.
    private struct Period {
        /// What it had taken, and what waited for it, in bytes, when the period began.
        let taken: Int
        let waiting: Int
        let beganInSweep: Int
    }

    /// The call does not depend on its client now.
    mutating func stop() { period = nil }

    /// Whether the client has given the call up. Asked in each sweep while the call depends on it:
    /// `taken` are the bytes of all answers it has taken so far, `waiting` those it has not.
    mutating func isAbandoned(taken: Int, waiting: Int, _ liveness: Liveness) -> Bool {
        guard let period, taken &- period.taken < (period.waiting &+ 1) / 2 else {
            period = Period(taken: taken, waiting: waiting, beganInSweep: liveness.sweeps)
            return false
        }
        guard liveness.isOverdue(period.beganInSweep) else { return false }
        stop()
        return true
    }
}
