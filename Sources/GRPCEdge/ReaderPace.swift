/// Whether a client reads the answers of calls that only it can move.
///
/// In the time of a request it has to take as much as half of what waited for it at the beginning:
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

    /// Whether the client has given the calls up. Asked in each sweep: `taken` are the bytes of all
    /// answers it has taken so far, `waiting` those of answers that only it can move.
    mutating func isAbandoned(taken: Int, waiting: Int, _ liveness: Liveness) -> Bool {
        guard waiting > 0 else {
            period = nil
            return false
        }
        guard let period, taken &- period.taken < (period.waiting &+ 1) / 2 else {
            period = Period(taken: taken, waiting: waiting, beganInSweep: liveness.sweeps)
            return false
        }
        guard liveness.isOverdue(period.beganInSweep) else { return false }
        self.period = nil
        return true
    }
}
