/// How long to wait between rounds of attempts: doubling, bounded, with jitter so that clients that
/// failed together do not come back together.
package struct Backoff: Hashable, Sendable {
    package let initial: Duration
    package let maximum: Duration

    package init(initial: Duration, maximum: Duration) {
        self.initial = initial
        self.maximum = maximum
    }

    /// The pause after round number `round` (0, 1, 2 …), between half and all of the bound
    /// for that round.
    /// - Parameter random: in 0 ..< 1.
    package func pause(afterRound round: Int, random: Double) -> Duration {
        var bound = initial
        for _ in 0..<max(0, min(round, 32)) where bound < maximum { bound = bound * 2 }
        bound = min(bound, maximum)
        return bound / 2 + bound / 2 * min(max(random, 0), 1)
    }
}
