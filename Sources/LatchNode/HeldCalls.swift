import LatchMachine
import RaftCore

/// Calls whose command the machine holds until earlier request ids of their session arrive (Q3).
struct HeldCalls {
    private struct Held {
        var waiters: [Waiter]
        var deadline: Instant
    }

    private var sessions: [SessionID: [UInt64: Held]] = [:]

    var isEmpty: Bool { sessions.isEmpty }

    /// Adds a caller. A second arrival of the same id waits beside the first: both are answered.
    mutating func add(_ waiter: Waiter, for sequence: StreamKey, deadline: Instant) {
        sessions[sequence.session, default: [:]][
            sequence.stream, default: Held(waiters: [], deadline: deadline)
        ].waiters.append(waiter)
    }

    mutating func remove(session: SessionID, requestID: UInt64) -> [Waiter] {
        guard let held = sessions[session]?.removeValue(forKey: requestID) else { return [] }
        if sessions[session]?.isEmpty == true { sessions.removeValue(forKey: session) }
        return held.waiters
    }

    /// Takes every caller of a session that is gone, in order of request id.
    mutating func removeAll(session: SessionID) -> [Waiter] {
        guard let held = sessions.removeValue(forKey: session) else { return [] }
        return held.sorted { $0.key < $1.key }.flatMap(\.value.waiters)
    }

    /// The ids whose bounded wait has ended, each session's highest one, ascending by session.
    /// Their deadline moves on by `retry`, so that the gap is closed again should the first attempt
    /// be lost.
    mutating func overdue(at now: Instant, retryAfterMilliseconds retry: UInt64) -> [StreamKey] {
        var found: [StreamKey] = []
        for session in sessions.keys.sorted() {
            guard let held = sessions[session] else { continue }
            let late = held.filter { $0.value.deadline <= now }.keys
            guard let highest = late.max() else { continue }
            for id in late {
                sessions[session]?[id]?.deadline = now.advanced(byMilliseconds: retry)
            }
            found.append(StreamKey(session: session, stream: highest))
        }
        return found
    }

    mutating func removeAll() -> [Waiter] {
        let all = sessions.keys.sorted().flatMap { session in
            (sessions[session] ?? [:]).sorted { $0.key < $1.key }.flatMap(\.value.waiters)
        }
        sessions = [:]
        return all
    }
}
