import LatchMachine
import Testing

@Suite("Sessions, answers and reads")
struct MachineTests {
    @Test(
        "a session's id is the number of its opening entry, so it is never used again (S1, I15)"
    )
    func sessionID() {
        var replica = Replica()
        replica.machine.skip(to: 41)
        #expect(replica.open() == 42)
        replica.apply(.closeSession(.demo, 42))
        #expect(replica.open() == 44)
        // A backup of the time before 42 was restored, and its members were told so.
        var restored = Replica()
        restored.machine.skip(to: 40)
        restored.apply(.leaderElected(graceMilliseconds: 0, incarnation: 1))
        #expect(restored.open() == 1 << 48 | 42)
    }

    @Test("only open and keep-alive move a session's deadline (S4)")
    func deadline() {
        var replica = Replica()
        let session = replica.open(timeout: 1_000)
        replica.time = 900
        replica.latch(session, 1, "a")
        replica.events(session, 2)
        replica.time = 1_001
        let due = [Expiry(session: session, deadlineMilliseconds: 1_000)]
        #expect(replica.machine.expiredSessions(at: 1_001) == due)
        replica.renew(session)
        #expect(replica.machine.expiredSessions(at: 2_001) == [])
        #expect(replica.machine.expiredSessions(at: 2_002).map(\.deadlineMilliseconds) == [2_001])
    }

    @Test("absurd timeouts are brought into bounds (S3)")
    func timeouts() {
        var replica = Replica()
        replica.time = 5
        _ = replica.open(timeout: 0)
        #expect(replica.machine.nextExpiryMilliseconds == 5 + Limits.minimumTimeoutMilliseconds)
        var long = Replica()
        long.time = .max - 5
        _ = long.open(timeout: .max)
        #expect(long.machine.nextExpiryMilliseconds == UInt64.max - 1)
        #expect(long.machine.expiredSessions(at: .max) == [])
    }

    @Test("expired sessions come in batches, ascending, and stay candidates until they are removed")
    func batches() {
        var limits = Limits()
        limits.sessionsPerExpiry = 3
        var replica = Replica(limits)
        for timeout in [500, 400, 300, 200, 100] as [UInt64] { _ = replica.open(timeout: timeout) }
        replica.time = 1_000
        let first = replica.machine.expiredSessions(at: 1_000)
        #expect(first.map(\.session) == [3, 4, 5])
        #expect(replica.machine.expiredSessions(at: 1_000) == first)
        replica.apply(.expire(first))
        #expect(replica.machine.expiredSessions(at: 1_000).map(\.session) == [1, 2])
        replica.apply(.expire(replica.machine.expiredSessions(at: 1_000)))
        #expect(replica.machine.sessionCount == 0)
        #expect(replica.machine.nextExpiryMilliseconds == nil)
    }

    @Test("keep-alives of one entry are answered one by one; strangers are unknown (S11, g)")
    func renewals() {
        var replica = Replica()
        let session = replica.open()
        let elsewhere = replica.open(.other)
        let answer = replica.answer(
            .renew(
                [session, elsewhere, 99].map {
                    Renewal(primitive: .demo, session: $0, acknowledgedRequestID: 0, streams: [])
                }))
        #expect(answer == .renewed([true, false, false]))
    }

    @Test("the fencing token is the incarnation and the index of the grant (I14)")
    func token() {
        var replica = Replica(incarnation: 2)
        let session = replica.open()
        #expect(replica.latch(session, 1, "a")?.latch?.fencingToken == 2 << 48 | 2)
        replica.apply(.deletePrimitive(.demo))
        #expect(replica.latch(replica.open(), 1, "a")?.latch?.fencingToken == 2 << 48 | 5)
    }

    @Test("names and participants are told apart by their bytes, not by how they look (e)")
    func exactNames() {
        var replica = Replica()
        let composed = PrimitiveName(namespace: "n", name: "\u{e9}")
        let decomposed = PrimitiveName(namespace: "n", name: "e\u{301}")
        #expect(composed != decomposed)
        let first = replica.open(composed)
        _ = replica.open(decomposed)
        #expect(replica.machine.primitiveCount == 2)
        replica.latch(first, 1, "\u{e9}", of: composed)
        #expect(replica.latch(first, 2, "e\u{301}", of: composed)?.latch?.participants.count == 2)
        #expect(
            replica.latch(first, 1, "e\u{301}", of: composed) == .refused(.requestMismatch))
    }

    @Test("lists are sorted by bytes, filtered and paged")
    func lists() {
        var replica = Replica()
        replica.checksRestore = false
        for name in ["b/x1", "a/x2", "a/y", "a/x1", "a\u{0}/x", "c/x", "a/w", "b/z"] {
            let parts = name.split(separator: "/").map(String.init)
            _ = replica.open(PrimitiveName(namespace: parts[0], name: parts[1]))
        }
        func names(_ found: [(PrimitiveName, LatchState)]) -> [String] {
            found.map { $0.0.description }
        }
        let machine = replica.machine
        #expect(machine.primitives(namespace: "a").map(\.name) == ["w", "x1", "x2", "y"])
        #expect(machine.primitives(namespace: nil).count == 8)
        #expect(machine.primitives(namespace: nil) == machine.primitives(namespace: nil).sorted())
        #expect(
            names(machine.latches(namespace: nil, prefix: "x", after: nil, limit: 9))
                == ["a/x1", "a/x2", "a\u{0}/x", "b/x1", "c/x"])
        let page = machine.latches(namespace: "a", prefix: "x", after: nil, limit: 1)
        #expect(names(page) == ["a/x1"])
        #expect(
            names(machine.latches(namespace: "a", prefix: "x", after: page[0].0, limit: 5))
                == ["a/x2"])
        #expect(machine.latches(namespace: nil, prefix: "", after: nil, limit: 0).isEmpty)
    }

    @Test("a page token is a latch's name, of any bytes, and nothing longer")
    func pageTokens() {
        let long = String(repeating: "x", count: Limits.nameBytes)
        for name in [
            PrimitiveName.demo, PrimitiveName(namespace: "", name: "3:a"),
            PrimitiveName(namespace: "e\u{301}:", name: "\u{0}"),
            // An accent that joins the colon before it, and one that joins the namespace.
            PrimitiveName(namespace: "\u{301}", name: "x"),
            PrimitiveName(namespace: "e", name: "\u{301}"),
            PrimitiveName(namespace: long, name: long),
        ] {
            #expect(PrimitiveName(pageToken: name.pageToken) == name)
        }
        for token in [
            "", "demo", ":demo", "-1:demo", "5:demo", "1:\u{e9}", "99999999999999999999:demo",
            "+3:appdemo", "03:appdemo", "0:\(long)x", "1025:\(long)xdemo",
        ] {
            #expect(PrimitiveName(pageToken: token) == nil, "\(token.prefix(40))")
        }
    }

    @Test("a session remembers a bounded number of answers and of closed gaps (L7, I19)")
    func boundedMemory() {
        var replica = Replica()
        let session = replica.open()
        for round in 0..<200 as Range<UInt64> {
            replica.latch(session, round * 2 + 1, "a")
            replica.apply(.closeGap(session, requestID: round * 2 + 2))
        }
        #expect(replica.latch(session, 1, "a") == .refused(.alreadyAcknowledged))
        #expect(replica.latch(session, 2, "a") == .refused(.alreadyAcknowledged))
        #expect(replica.latch(session, 400, "a") == .refused(.gap))
        #expect(replica.latch(session, 399, "a")?.latch?.participants == ["a"])
    }

    @Test("request ids at the end of their range do not overflow")
    func hugeRequestIDs() {
        var replica = Replica()
        let session = replica.open()
        #expect(replica.latch(session, .max, "a") == .held)
        replica.renew(session, upTo: .max)
        replica.apply(.closeGap(session, requestID: .max))
        #expect(replica.latch(session, .max, "a") == .refused(.gap))
        #expect(replica.latch(session, 0, "a")?.latch?.holder == "a")
    }

    @Test(
        "with 1,000 participants a holder's end is one grant and one event a watcher (L17)"
    )
    func herd() {
        var replica = Replica()
        replica.checksRestore = false
        let sessions = (0..<1_000).map { _ in replica.open(timeout: 60_000) }
        for session in sessions { replica.latch(session, 1, "p\(session)") }
        for session in sessions.prefix(100) { replica.events(session, 2) }
        let outcomes = replica.apply(.closeSession(.demo, sessions[0]))
        let changed = outcomes.frames.filter { $0.frame.content != .close }
        #expect(changed.count == 99)
        #expect(Set(changed.map(\.key)).count == 99)
        #expect(replica.state()?.term == 2)
        #expect(replica.state()?.holder == "p\(sessions[1])")
    }
}
