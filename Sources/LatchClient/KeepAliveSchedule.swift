/// When to renew a session of a given TTL, and how long to wait for an answer.
package struct KeepAliveSchedule: Sendable {
    package let ttl: Duration
    /// From sending one acknowledged keep-alive to sending the next: a third of the TTL, so that
    /// two may be lost.
    package let period: Duration
    /// For one node: a fifth of what is certain, so that every node of three is asked before the
    /// session ends.
    package let attemptTimeout: Duration
    /// Between two rounds over all nodes.
    package let backoff: Backoff

    /// The TTLs that the servers accept.
    package static let shortest: Duration = .milliseconds(10)
    package static let longest: Duration = .seconds(86_400)

    package init(ttl: Duration, longestAttempt: Duration) {
        self.ttl = ttl
        period = ttl / 3
        attemptTimeout = min(Self.certainLife(ofTTL: ttl) / 5, longestAttempt)
        backoff = Backoff(initial: ttl / 100, maximum: ttl / 10)
    }

    /// How long after sending an acknowledged keep-alive the session is certainly alive: the TTL
    /// less a thousandth of it, and at least 1 ms less, because the clocks of two machines do not
    /// run at quite the same rate.
    package static func certainLife(ofTTL ttl: Duration) -> Duration {
        ttl - max(ttl / 1_000, .milliseconds(1))
    }
}
