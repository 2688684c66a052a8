/// What a ``Latch`` does when it lost its place: whether it joins again, and after which pause.
public struct RejoinPolicy: Sendable, Hashable {
    /// Whether it joins again at all. If not, ``Latch/run()`` returns after the first loss.
    public var isEnabled: Bool = true
    /// The pause before the first try; it doubles from one to the next, with jitter.
    public var initialPause: Duration = .milliseconds(100)
    /// The longest pause. Who kept its place that long begins again with ``initialPause``.
    public var maximumPause: Duration = .seconds(10)
    /// From half of it on lasts the pause after an eviction: an operator who takes a participant
    /// out wants it to be out for a while.
    public var evictionPause: Duration = .seconds(5)

    /// The defaults.
    public init() {}

    /// Joins again, with the pauses of ``init()``.
    public static let `default` = RejoinPolicy()

    /// Never joins again.
    public static let never: RejoinPolicy = {
        var policy = RejoinPolicy()
        policy.isEnabled = false
        return policy
    }()
}

/// Counts tries under a ``RejoinPolicy``. Pure.
package struct RejoinSchedule: Sendable {
    private let policy: RejoinPolicy
    private var tries = 0

    /// Nothing was tried yet.
    package init(policy: RejoinPolicy) {
        self.policy = policy
    }

    /// The place was kept for so long.
    package mutating func noteStay(_ time: Duration) {
        if time >= policy.maximumPause { tries = 0 }
    }

    /// How long to wait before the next try; nil: there is none.
    /// - Parameter random: in 0 ..< 1.
    package mutating func pause(after reason: LossReason, random: Double) -> Duration? {
        guard policy.isEnabled else { return nil }
        let backoff = Backoff(initial: policy.initialPause, maximum: policy.maximumPause)
        let pause = backoff.pause(afterRound: tries, random: random)
        tries += 1
        switch reason {
        case .evicted: return max(pause, policy.evictionPause / 2 * (1 + random))
        case .sessionEnded, .deadlinePassed, .removed, .handedOver, .deleted, .restored, .resigned,
            .failed:
            return pause
        }
    }
}
