import HashTreeCollections

/// Expiry: looked for by the leader, decided by the log (S5, S6, L1, L2).
extension LatchMachine {
    /// Whether the session that an expiry names is still past its deadline at this entry.
    func isDue(_ expiry: Expiry) -> Bool {
        guard let session = state.sessions[expiry.session],
            session.deadlineMilliseconds == expiry.deadlineMilliseconds
        else { return false }
        return state.time.nowMilliseconds > state.time.effectiveDeadline(of: session)
    }

    /// Sessions whose deadline and grace have passed at `logTimeMilliseconds`, ascending, at most
    /// `limits.sessionsPerExpiry` of them. They stay candidates until an entry removes them, since
    /// what the leader proposes may be lost.
    ///
    /// One call looks at a bounded number of sessions; if more have to be looked at,
    /// ``nextExpiryMilliseconds`` stays in the past.
    package mutating func expiredSessions(at logTimeMilliseconds: UInt64) -> [Expiry] {
        var expired: [Expiry] = []
        var looked = 0
        let most = limits.sessionsPerExpiry * 8
        var due: [ExpiryQueue.Candidate] = []
        while expired.count < limits.sessionsPerExpiry, looked < most,
            let first = expiry.first, first.deadlineMilliseconds < logTimeMilliseconds
        {
            looked += 1
            expiry.remove(first.session, deadlineMilliseconds: first.deadlineMilliseconds)
            guard let session = state.sessions[first.session] else { continue }
            let deadline = state.time.effectiveDeadline(of: session)
            if deadline < logTimeMilliseconds {
                due.append(first)
                expired.append(
                    Expiry(
                        session: first.session,
                        deadlineMilliseconds: session.deadlineMilliseconds))
            } else {
                expiry.insert(first.session, deadlineMilliseconds: deadline)
                state.sessions[first.session]?.queuedDeadlineMilliseconds = deadline
            }
        }
        for candidate in due {
            expiry.insert(
                candidate.session, deadlineMilliseconds: candidate.deadlineMilliseconds)
        }
        return expired.sorted { $0.session < $1.session }
    }

    /// A log time after which ``expiredSessions(at:)`` may find something: never later than the
    /// true one, sometimes earlier. Nil if there are no sessions. Always less than `UInt64.max`.
    package var nextExpiryMilliseconds: UInt64? {
        expiry.first.map { min($0.deadlineMilliseconds, .max - 1) }
    }
}
