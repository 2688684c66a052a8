/// When to renew a session of a given TTL, and how long to wait for an answer.
package struct KeepAliveSchedule: Hashable, Sendable {
    /// How long the session outlives its last renewal.
    package let ttl: Duration
    /// From one beat to the next: a third of the TTL, so that two may be lost.
    package let period: Duration
    /// For one node: a fifth of what is certain, so that every node of three is asked before the
    /// session ends.
    package let attemptTimeout: Duration
    /// Between two rounds over all nodes.
    package let backoff: Backoff

    /// The TTLs that the servers accept.
    package static let shortest: Duration = .milliseconds(10)
    package static let longest: Duration = .seconds(86_400)

    /// The schedule of a TTL.
    package init(ttl: Duration, longestAttempt: Duration) {
        self.ttl = ttl
        period = ttl / 3
        attemptTimeout = min(Lease.certainLife(of: ttl) / 5, longestAttempt)
        backoff = Backoff(initial: ttl / 100, maximum: ttl / 10)
    }
}
