/// Which sessions are to be renewed when, and which beats wait for an answer. Pure: time is an
/// argument. One book for all sessions of a process.
package struct BeatBook: Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// At most so many sessions in one request.
    package static let mostSessions = 1_000
    /// No answer is waited for less than this, however short a TTL is.
    package static let shortestPatience: Duration = .milliseconds(20)

    /// One request of the KeepAlive stream.
    package struct Beat: Hashable, Sendable {
        package let sequence: UInt64
        package let sentAt: Instant
        /// Keys of the sessions, in the request's order.
        package let sessions: [UInt64]
    }

    private struct Entry {
        let schedule: KeepAliveSchedule
        var dueAt: Instant
    }

    private var entries: [UInt64: Entry] = [:]
    private var outstanding: [(beat: Beat, stallsAt: Instant)] = []
    private var lastSequence: UInt64 = 0

    /// A book without sessions.
    package init() {}

    package var isEmpty: Bool { entries.isEmpty }
    package var sessions: [UInt64] { entries.keys.sorted() }

    /// The shortest back-off of the sessions that are kept.
    package var backoff: Backoff {
        entries.values.map(\.schedule).min { $0.ttl < $1.ttl }?.backoff
            ?? Backoff(initial: .milliseconds(10), maximum: .seconds(1))
    }

    /// Keeps a session that was confirmed by a request sent at `confirmedAt`.
    package mutating func add(
        _ key: UInt64, schedule: KeepAliveSchedule, confirmedAt: Instant
    ) {
        entries[key] = Entry(schedule: schedule, dueAt: confirmedAt + schedule.period)
    }

    /// Keeps the session no longer.
    package mutating func remove(_ key: UInt64) {
        entries[key] = nil
    }

    /// When the next session is due.
    package var nextDue: Instant? { entries.values.map(\.dueAt).min() }

    /// When the stream counts as stalled, unless an answer comes.
    package var stallsAt: Instant? { outstanding.first?.stallsAt }

    /// The next beat to send at `now`, if a session is due; the time of sending is `now`. Sessions
    /// that would be due soon go along, so that beats are few.
    package mutating func takeDue(at now: Instant) -> Beat? {
        guard let nextDue, nextDue <= now else { return nil }
        let due = entries.filter { $0.value.dueAt - $0.value.schedule.period / 8 <= now }
            .sorted { ($0.value.dueAt, $0.key) < ($1.value.dueAt, $1.key) }
            .prefix(Self.mostSessions)
        for (key, entry) in due { entries[key]?.dueAt = now + entry.schedule.period }
        lastSequence += 1
        let beat = Beat(sequence: lastSequence, sentAt: now, sessions: due.map(\.key))
        let patience = due.map(\.value.schedule.attemptTimeout).min() ?? Self.shortestPatience
        outstanding.append((beat, now + max(patience, Self.shortestPatience)))
        return beat
    }

    /// The beat that an answer with `sequence` is for; nil for one that is not waited for. Answers
    /// come in order, so those before it get none.
    package mutating func takeAnswered(_ sequence: UInt64) -> Beat? {
        guard let place = outstanding.firstIndex(where: { $0.beat.sequence == sequence }) else {
            return nil
        }
        let beat = outstanding[place].beat
        outstanding.removeSubrange(...place)
        return beat
    }

    /// The stream is gone: what was not answered is due at once.
    package mutating func streamEnded(at now: Instant) {
        for (beat, _) in outstanding {
            for key in beat.sessions { entries[key]?.dueAt = now }
        }
        outstanding = []
    }

    /// The cluster could not decide about a session: it is due again soon.
    package mutating func retrySoon(_ key: UInt64, at now: Instant) {
        guard let entry = entries[key] else { return }
        entries[key]?.dueAt = min(entry.dueAt, now + entry.schedule.backoff.maximum)
    }
}
