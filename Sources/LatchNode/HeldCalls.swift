import LatchMachine
import RaftCore

/// Calls whose command the machine holds until earlier request ids of their session arrive (Q3).
struct HeldCalls {
    private struct Held {
        var waiters: [(waiter: Waiter, deadline: Instant)]
        /// When the gap before it is to be closed.
        var patience: Instant
    }

    private var sessions: [SessionID: [UInt64: Held]] = [:]
    /// Callers that wait here.
    private(set) var count = 0

    var isEmpty: Bool { sessions.isEmpty }

    /// Adds a caller. A second arrival of the same id waits beside the first: both are answered.
    ///
    /// - Parameters:
    ///   - patience: when the gap is to be closed, if it is not filled by then.
    ///   - deadline: when the caller is answered, whatever has become of the gap.
    mutating func add(
        _ waiter: Waiter, for sequence: StreamKey, patience: Instant, deadline: Instant
    ) {
        sessions[sequence.session, default: [:]][
            sequence.stream, default: Held(waiters: [], patience: patience)
        ].waiters.append((waiter, deadline))
        count += 1
    }

    mutating func remove(session: SessionID, requestID: UInt64) -> [Waiter] {
        guard let held = sessions[session]?.removeValue(forKey: requestID) else { return [] }
        if sessions[session]?.isEmpty == true { sessions.removeValue(forKey: session) }
        count -= held.waiters.count
        return held.waiters.map(\.waiter)
    }

    /// Takes every caller of a session that is gone, in order of request id.
    mutating func removeAll(session: SessionID) -> [Waiter] {
        let ids = (sessions[session] ?? [:]).keys.sorted()
        return ids.flatMap { remove(session: session, requestID: $0) }
    }

    /// Takes the callers whose deadline has passed.
    mutating func removeExpired(at now: Instant) -> [Waiter] {
        guard isAnyone({ $0.waiters.contains { $0.deadline <= now } }) else { return [] }
        var expired: [Waiter] = []
        for session in sessions.keys.sorted() {
            for id in (sessions[session] ?? [:]).keys.sorted() {
                guard let waiters = sessions[session]?[id]?.waiters,
                    waiters.contains(where: { $0.deadline <= now })
                else { continue }
                let late = waiters.filter { $0.deadline <= now }
                expired += late.map(\.waiter)
                count -= late.count
                let patient = waiters.filter { $0.deadline > now }
                if patient.isEmpty {
                    sessions[session]?.removeValue(forKey: id)
                } else {
                    sessions[session]?[id]?.waiters = patient
                }
            }
            if sessions[session]?.isEmpty == true { sessions.removeValue(forKey: session) }
        }
        return expired
    }

    /// The ids whose bounded wait has ended, each session's highest one, ascending by session.
    /// Their patience is renewed by `retry`, so that the gap is closed again should the first
    /// attempt be lost.
    mutating func overdue(at now: Instant, retryAfterMilliseconds retry: UInt64) -> [StreamKey] {
        guard isAnyone({ $0.patience <= now }) else { return [] }
        var found: [StreamKey] = []
        for session in sessions.keys.sorted() {
            guard let held = sessions[session] else { continue }
            let late = held.filter { $0.value.patience <= now }.keys
            guard let highest = late.max() else { continue }
            for id in late {
                sessions[session]?[id]?.patience = now.advanced(byMilliseconds: retry)
            }
            found.append(StreamKey(session: session, stream: highest))
        }
        return found
    }

    private func isAnyone(_ matches: (Held) -> Bool) -> Bool {
        sessions.values.contains { $0.values.contains(where: matches) }
    }

    mutating func removeAll() -> [Waiter] {
        sessions.keys.sorted().flatMap { removeAll(session: $0) }
    }
}
