import DequeModule

/// One change of a latch.
struct LatchEvent: Sendable {
    /// The log index of the entry that caused it.
    let index: UInt64
    /// The state after it.
    let state: LatchState
}

/// The newest changes of one latch, numbered 1, 2, 3 …, shared by all its streams.
struct EventRing: Sendable {
    /// The number of the newest event ever; 0 before the first one.
    private(set) var newestNumber: UInt64 = 0
    /// Consecutive, the newest one last. Never empty once an event happened.
    private(set) var events: Deque<LatchEvent> = []
    /// Participant names in `events`, counted as often as they occur.
    private var names = 0

    init() {}

    /// Takes what a snapshot kept.
    init(newestNumber: UInt64, events: Deque<LatchEvent>) {
        self.newestNumber = newestNumber
        self.events = events
        names = events.reduce(0) { $0 + $1.state.participants.count }
    }

    var newest: LatchEvent? { events.last }

    /// The event with this number, if it is still here.
    func event(_ number: UInt64) -> LatchEvent? {
        guard number <= newestNumber else { return nil }
        let age = newestNumber - number
        guard age < UInt64(events.count) else { return nil }
        return events[events.count - 1 - Int(age)]
    }

    /// Adds an event and drops the oldest ones past the bounds, never the newest.
    mutating func append(_ event: LatchEvent, limits: Limits) {
        newestNumber &+= 1
        events.append(event)
        names += event.state.participants.count
        while events.count > 1,
            events.count > limits.eventsPerLatch || names > limits.ringNamesPerLatch
        {
            names -= events.removeFirst().state.participants.count
        }
    }
}
