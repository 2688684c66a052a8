/// What a client may believe about the life of one session. Pure: time is an argument.
///
/// A confirmation counts from the moment at which the request that it answers was *sent*: the
/// servers count from a later one, so they never end the session before. What was certain stays so
/// until its own deadline, whatever else is answered or not.
package struct Lease: Hashable, Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// The session is certainly alive until then.
    package private(set) var deadline: Instant
    /// When the newest request that was confirmed had been sent.
    package private(set) var confirmedAt: Instant
    /// From there on a holder is in jeopardy: confirmations are overdue.
    package private(set) var doubtAt: Instant
    /// A node said after the newest confirmation that the cluster could not decide.
    package private(set) var isDoubted = false
    /// The servers said that the session is over. It never comes back.
    package private(set) var isOver = false

    /// A session just opened.
    /// - Parameters:
    ///   - validFor: what the answer promised.
    ///   - sentAt: when the answered request was sent.
    package init(validFor: Duration, sentAt: Instant) {
        confirmedAt = sentAt
        deadline = sentAt + Self.certainLife(of: validFor)
        doubtAt = sentAt + validFor * 3 / 5
    }

    /// What a node answered about the session.
    package enum Answer: Hashable, Sendable {
        /// Alive for so long from the moment of sending.
        case alive(validFor: Duration)
        /// The cluster could not decide in time.
        case jeopardy
        /// Over.
        case lost
    }

    /// Uses an answer to a beat that was sent at `sentAt`. Answers may come late, twice, and in any
    /// order.
    package mutating func take(_ answer: Answer, sentAt: Instant) {
        switch answer {
        case .alive(let validFor):
            guard !isOver else { return }
            deadline = max(deadline, sentAt + Self.certainLife(of: validFor))
            guard sentAt >= confirmedAt else { return }
            confirmedAt = sentAt
            doubtAt = sentAt + validFor * 3 / 5
            isDoubted = false
        case .jeopardy:
            if sentAt > confirmedAt { isDoubted = true }
        case .lost:
            isOver = true
        }
    }

    /// Whether nobody can have ended the session yet.
    package func isCertain(at now: Instant) -> Bool { !isOver && now < deadline }

    /// Whether the cluster should have confirmed the session and did not.
    package func isInDoubt(at now: Instant) -> Bool { isDoubted || now >= doubtAt }

    /// How much of a promised time is certain: a thousandth less, and at least 1 ms less, because
    /// the clocks of two machines do not run at quite the same rate.
    package static func certainLife(of promised: Duration) -> Duration {
        promised - max(promised / 1_000, .milliseconds(1))
    }
}
