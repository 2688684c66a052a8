import BinaryCoding
import Testing

@testable import LatchMachine

@Suite("What a snapshot must hold to")
struct SnapshotCheckTests {
    /// What `check` throws, in words; nil if nothing.
    private func refusal(_ check: () throws(DecodingFailure) -> Void) -> String? {
        do throws(DecodingFailure) {
            try check()
            return nil
        } catch {
            return error.description
        }
    }

    /// How the decoder refuses the busy state after a change.
    private func refusal(
        limits: Limits = .standard, after change: (inout ReplicatedState) -> Void
    ) -> String? {
        var machine = SnapshotTests.busyReplica().machine
        change(&machine.state)
        let bytes = machine.encodeSnapshot()
        return refusal { () throws(DecodingFailure) in
            _ = try LatchMachine(snapshot: bytes, limits: limits)
        }
    }

    @Test("a token ahead of the log is refused, so that no later grant can fall behind (I14)")
    func tokens() {
        #expect(refusal(after: { _ in }) == nil)
        #expect(refusal(after: { $0.incarnation = 6 }) == "token: it is ahead of the log")
        #expect(refusal(after: { $0.lastApplied = 1 << 48 }) == "last applied: no log is as long")
        #expect(
            refusal(after: { $0.time = LogTime(now: 5, graceStart: 6, grace: 0) })
                == "grace start: it is in the future")
    }

    /// Two changes of a latch and what follows from them, at index 9 of the log.
    private func refusal(
        of latch: LatchState? = nil, events: [(index: UInt64, token: UInt64)]
    ) -> String? {
        var ring = EventRing()
        var newest = LatchState()
        for event in events {
            newest = LatchState(
                term: 1, holder: "a", participants: ["a"], fencingToken: event.token)
            ring.append(LatchEvent(index: event.index, state: newest), limits: .standard)
        }
        var state = ReplicatedState(incarnation: 0)
        state.lastApplied = 9
        return refusal { () throws(DecodingFailure) in
            try ring.check(against: latch ?? newest, upTo: state)
        }
    }

    @Test("events that do not lead to the latch are refused")
    func events() {
        #expect(refusal(events: []) == nil)
        #expect(refusal(events: [(4, 4), (4, 4), (9, 9)]) == nil)
        #expect(refusal(events: [(4, 4), (3, 4)]) == "events: they are not in order")
        #expect(refusal(events: [(4, 4), (5, 3)]) == "events: they are not in order")
        #expect(refusal(events: [(4, 4), (10, 4)]) == "event index: it is in the future")
        #expect(refusal(events: [(4, 10)]) == "token: it is ahead of the log")
        let other = LatchState(term: 2)
        let reason = "events: the newest is not the state of the latch"
        #expect(refusal(of: other, events: [(4, 4)]) == reason)
        #expect(refusal(of: other, events: []) == reason)
    }

    /// A session opened at index 2 whose ids up to 9 are decided, at index 9 and time 100.
    private func refusal(
        deadline: UInt64 = 1_100, limits: Limits = .standard, _ change: (inout Session) -> Void
    ) -> String? {
        var session = Session(
            primitive: .demo, timeoutMilliseconds: 1_000, deadlineMilliseconds: deadline)
        session.lastRequestID = 9
        change(&session)
        var state = ReplicatedState(incarnation: 0)
        state.lastApplied = 9
        state.time.advance(to: 100)
        return refusal { () throws(DecodingFailure) in try session.check(2, in: state, limits) }
    }

    @Test(
        "closed gaps that overlap, touch, go back or are ahead are refused",
        arguments: [
            [(2, 3), (3, 3)], [(2, 2), (3, 3)], [(3, 3), (1, 1)], [(3, 2)], [(0, 1)], [(4, 10)],
        ])
    func voids(_ ranges: [(UInt64, UInt64)]) {
        let refused = refusal { session in
            session.voids = ranges.map { VoidRange(first: $0.0, last: $0.1) }
        }
        #expect(refused == "voids: they are not in order")
        #expect(refusal { $0.voids = [VoidRange(first: 1, last: 2)] } == nil)
    }

    @Test("deadlines and openings outside a session's life are refused")
    func sessions() {
        func opening(_ index: UInt64) -> (inout Session) -> Void {
            {
                $0.streams = [
                    EventStream(id: 1, openIndex: index, baseEvent: 0, hasInitial: false)
                ]
            }
        }
        let early = "open index: it is not in the session's life"
        #expect(refusal(opening(2)) == early)
        #expect(refusal(opening(3)) == nil)
        #expect(refusal(opening(10)) == early)
        #expect(
            refusal(deadline: 1_101) { _ in } == "deadline: it is past a full timeout from now")
        var limits = Limits()
        limits.streamsPerSession = 0
        #expect(refusal(limits: limits, opening(3)) == "session: 2 is past a limit")
    }

    @Test("a state past a limit is refused (I19)")
    func limits() {
        func refused(_ change: (inout Limits) -> Void) -> String? {
            var limits = Limits()
            change(&limits)
            return refusal(limits: limits, after: { _ in })
        }
        #expect(refused { $0.primitives = 1 } == "primitives: 2 are more than the limit 1")
        #expect(refused { $0.sessions = 2 } == "sessions: 3 are more than the limit 2")
        #expect(
            refused { $0.participantsPerLatch = 1 } == "participants: 3 are more than the limit 1")
        #expect(refused { $0.eventsPerLatch = 1 } == "events: 5 are more than the limit 1")
    }
}
