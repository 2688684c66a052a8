import LatchMachine
import Testing

/// As many sessions and latches as a cluster is made for (L18, A11).
@Suite("A hundred thousand sessions")
struct ScaleTests {
    private static let crowd = 100_000
    /// Sessions of one latch.
    private static let queue = 100

    /// One machine and its log.
    private struct Leader {
        var machine = LatchMachine()
        var time: UInt64 = 0

        mutating func apply(_ command: Command) -> Answer? {
            var outcomes: [Outcome] = []
            let index = machine.lastApplied + 1
            let record = LogRecord(
                origin: 1, number: index, logTimeMilliseconds: time, wallTimeMilliseconds: 0,
                command: command)
            machine.apply(record, at: index, raftTerm: 1, into: &outcomes)
            guard case .answer(let answer)? = outcomes.last else { return nil }
            return answer
        }

        mutating func join(_ name: PrimitiveName, timeout: UInt64) throws -> LatchState {
            let opened = apply(.openSession(name, timeoutMilliseconds: timeout))
            guard case .sessionOpened(let session)? = opened else { throw Refused() }
            let joined = apply(
                .latch(name, session, requestID: 1, participant: "p\(session)"))
            guard case .latched(let state, _)? = joined else { throw Refused() }
            return state
        }
    }

    private struct Refused: Error {}

    private static func name(_ number: Int) -> PrimitiveName {
        PrimitiveName(namespace: "app", name: "latch-\(number)")
    }

    @Test("that end at once do so in short entries, and who comes in between is served (L18)")
    func allAtOnce() throws {
        var leader = Leader()
        let latches = Self.crowd / Self.queue
        for number in 0..<Self.crowd {
            _ = try leader.join(Self.name(number % latches), timeout: 1_000)
        }
        // Behind each queue waits one that lives.
        let survivors = try (0..<latches).map { number in
            try leader.join(Self.name(number), timeout: 60_000).participants.last
        }
        let before = try #require(leader.machine.latchState(Self.name(0)))
        #expect(before.participants.count == Self.queue + 1)

        leader.time = 1_001
        var entries = 0
        var newcomers = 0
        while true {
            let due = leader.machine.expiredSessions(at: leader.time)
            guard !due.isEmpty else { break }
            #expect(due.count <= Limits.standard.sessionsPerExpiry)
            _ = leader.apply(.expire(due))
            entries += 1
            if entries.isMultiple(of: 40) {
                newcomers += 1
                let state = try leader.join(
                    PrimitiveName(namespace: "app", name: "new-\(newcomers)"), timeout: 60_000)
                #expect(state.participants.count == 1)
            }
            if entries == 200 { try expectEqualCopy(of: leader.machine) }
        }
        let limit = Limits.standard.sessionsPerExpiry
        #expect(entries == (Self.crowd + limit - 1) / limit)
        #expect(leader.machine.sessionCount == latches + newcomers)
        for (number, survivor) in survivors.enumerated() {
            let state = try #require(leader.machine.latchState(Self.name(number)))
            #expect(state.holder == survivor && state.participants.count == 1)
            #expect(state.term == before.term + UInt64(Self.queue))
        }
        #expect(leader.machine.brokenInvariants() == [])
    }

    /// I22, in the midst of it.
    private func expectEqualCopy(of machine: LatchMachine) throws {
        let copy = try LatchMachine(snapshot: machine.encodeSnapshot(), limits: .standard)
        #expect(copy.digest == machine.digest)
        #expect(copy.sessionCount == machine.sessionCount)
    }

    @Test("each on a latch of its own, until no more are taken, and one that goes makes room (A11)")
    func latchOfEach() throws {
        var leader = Leader()
        let limit = Limits.standard.primitives
        for number in 0..<limit {
            _ = leader.apply(.openSession(Self.name(number), timeoutMilliseconds: 60_000))
        }
        #expect(leader.machine.primitiveCount == limit)
        let refusal = leader.apply(.openSession(Self.name(limit), timeoutMilliseconds: 60_000))
        guard case .refused(.limit)? = refusal else {
            Issue.record("one more than the limit gets \(String(describing: refusal))")
            return
        }
        _ = leader.apply(.deletePrimitive(Self.name(7)))
        let state = try leader.join(Self.name(limit), timeout: 60_000)
        #expect(state.holder == state.participants.first)
        #expect(leader.machine.primitiveCount == limit)
        #expect(leader.machine.latchState(Self.name(7)) == nil)
    }
}
