/// When a stream that broke is opened again: at once at another node, then ever later. A stream
/// that breaks again and again is no reason to hurry, whatever it tells first.
struct StreamPace {
    /// Streams in a row that broke; one that lasted a good while starts the count again.
    private(set) var failures = 0
    private let backoff: Backoff

    init(_ settings: LatchSettings) {
        backoff = settings.backoff
    }

    /// A stream broke.
    mutating func noteEnd(wasHeard: Bool, lasted: Duration) {
        failures = wasHeard && lasted > backoff.maximum ? 1 : failures + 1
    }

    /// How long to wait before the next one; nil: not at all.
    var pause: Duration? {
        guard failures > 1 else { return nil }
        return backoff.pause(afterRound: failures - 2, random: .random(in: 0..<1))
    }
}
