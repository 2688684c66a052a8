import LatchMachine
import Testing

/// As many sessions and latches as a cluster is made for (L18, A11).
@Suite("Crowds")
struct ScaleTests {
    private static func name(_ number: Int) -> PrimitiveName {
        PrimitiveName(namespace: "app", name: "latch-\(number)")
    }

    /// Looking at all of it after each entry would take for ever.
    private static func replica(_ limits: Limits = .standard) -> Replica {
        var replica = Replica(limits)
        replica.checksRestore = false
        replica.checksInvariants = false
        return replica
    }

    @Test("100,000 sessions end at once: in short entries, and newcomers are served between (L18)")
    func allAtOnce() throws {
        let (crowd, latches) = (100_000, 1_000)
        var replica = Self.replica()
        for number in 0..<crowd {
            let name = Self.name(number % latches)
            replica.latch(replica.open(name, timeout: 1_000), 1, "gone", of: name)
        }
        // Behind each queue waits one that lives.
        let survivors = (0..<latches).map { number in
            let session = replica.open(Self.name(number), timeout: 60_000)
            replica.latch(session, 1, "p\(session)", of: Self.name(number))
            return "p\(session)"
        }
        #expect(replica.state(Self.name(0))?.participants.count == crowd / latches + 1)

        replica.time = 1_001
        var expected = survivors.map { [$0] }
        var entries = 0
        while true {
            let due = replica.machine.expiredSessions(at: replica.time)
            guard !due.isEmpty else { break }
            #expect(due.count <= replica.limits.sessionsPerExpiry)
            replica.apply(.expire(due))
            entries += 1
            guard entries.isMultiple(of: 40) else { continue }
            let session = replica.open(Self.name(entries), timeout: 60_000)
            let answer = replica.latch(session, 1, "late", of: Self.name(entries))
            #expect(answer?.latch?.participants.suffix(2) == [survivors[entries], "late"])
            expected[entries].append("late")
            let copy = try LatchMachine(
                snapshot: replica.machine.encodeSnapshot(), limits: replica.limits)
            #expect(copy.digest == replica.machine.digest)
        }
        let limit = replica.limits.sessionsPerExpiry
        #expect(entries == (crowd + limit - 1) / limit)
        for number in 0..<latches {
            let state = try #require(replica.state(Self.name(number)))
            #expect(state.participants == expected[number])
            #expect(state.term == UInt64(crowd / latches) + 1)
        }
        #expect(replica.machine.sessionCount == expected.joined().count)
        #expect(replica.machine.brokenInvariants() == [])
    }

    @Test("200,000 sessions and 200,000 latches are taken, and no more until one goes (A11)")
    func limits() {
        var limits = Limits.standard
        var full = Self.replica(limits)
        let sessions = (0..<limits.sessions).map { full.open(Self.name($0)) }
        #expect(full.machine.sessionCount == 200_000 && full.machine.primitiveCount == 200_000)
        expectRefusal(of: Self.name(0), "sessions: there are 200000 at most", &full)
        full.apply(.closeSession(Self.name(7), sessions[7]))
        #expect(full.open(Self.name(8)) > 0)

        limits.sessions += 10
        var narrow = Self.replica(limits)
        for number in 0..<limits.primitives { _ = narrow.open(Self.name(number)) }
        expectRefusal(of: .demo, "primitives: there are 200000 at most", &narrow)
        #expect(narrow.open(Self.name(0)) > 0)
        narrow.apply(.deletePrimitive(Self.name(7)))
        #expect(narrow.latch(narrow.open(), 1, "a")?.latch?.holder == "a")
        #expect(narrow.machine.primitiveCount == 200_000)
    }

    private func expectRefusal(
        of name: PrimitiveName, _ reason: String, _ replica: inout Replica
    ) {
        let answer = replica.answer(.openSession(name, timeoutMilliseconds: 3_000))
        #expect(answer == .refused(.limit(reason)))
    }
}
