import LatchMachine
import RaftCore
import Testing

@testable import LatchNode

private let primitive = PrimitiveName(namespace: "n", name: "a")
private func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

@Suite("Calls that wait for their entry")
struct CallTableTests {
    private func table(_ commands: [Command]) -> CallTable {
        var table = CallTable(firstNumber: 100)
        for command in commands {
            table.add(command, waiter: .reply(NobodySink()), deadline: at(1_000))
        }
        return table
    }

    private func take(_ table: inout CallTable, _ term: UInt64) -> [UInt64] {
        var numbers: [UInt64] = []
        table.takeWaiting(limit: 10, bytes: .max, term: Term(term)) { numbers.append($0.number) }
        return numbers
    }

    private let join = Command.latch(primitive, 1, requestID: 1, participant: "p")
    private let open = Command.openSession(primitive, timeoutMilliseconds: 1_000)

    @Test(
        "an applied entry of a later term returns what earlier leaders were given to the queue (§5.3)"
    )
    func laterTermRequeues() {
        var table = table([join, open])
        #expect(take(&table, 3) == [100, 101])
        table.requeueLost(before: Term(3))
        #expect(take(&table, 3).isEmpty)
        table.requeueLost(before: Term(4))
        #expect(take(&table, 4) == [100, 101])
    }

    @Test(
        "a late refusal of an earlier term does not send a call again that is under way in a newer")
    func lateRefusalIsIgnored() {
        var table = table([.deletePrimitive(primitive)])
        #expect(take(&table, 5) == [100])
        table.requeueLost(before: Term(6))
        #expect(take(&table, 6) == [100])
        table.requeue(100, handedIn: Term(5))
        #expect(!table.hasWaiting)
        #expect(table.remove(100, handedIn: Term(5)) == nil)
        table.requeue(100, handedIn: Term(6))
        #expect(take(&table, 6) == [100])
    }

    @Test("a call sent twice is in doubt until an entry of a later term is applied")
    func doubt() {
        var table = table([join])
        _ = take(&table, 3)
        table.requeueRepeatable(of: Term(3))
        table.requeueLost(before: Term(3))
        _ = take(&table, 3)
        table.requeue(100, handedIn: Term(3))
        var copy = table
        #expect(copy.removeExpired(at: at(1_000)).map(\.mayBeInLog) == [true])
        table.requeueLost(before: Term(4))
        #expect(table.removeExpired(at: at(1_000)).map(\.mayBeInLog) == [false])
    }

    @Test("a batch for the leader is bounded in bytes")
    func bytes() {
        var table = table(Array(repeating: open, count: 50))
        var taken = 0
        table.takeWaiting(limit: 50, bytes: 60, term: Term(1)) { _ in taken += 1 }
        #expect((1..<50).contains(taken))
        #expect(table.hasWaiting)
    }

    @Test("after a lost link only commands that may be applied twice are sent again")
    func lostLinkRepeatsWhatIsRepeatable() {
        let unsequenced = Command.latch(primitive, 1, requestID: 0, participant: "p")
        var table = table([join, open, .deletePrimitive(primitive), unsequenced])
        _ = take(&table, 3)
        table.requeueRepeatable(of: Term(3))
        #expect(take(&table, 3) == [100])
    }

    @Test("a call leaves once: by its answer or by its deadline, never by both")
    func leavesOnce() {
        var table = table([join, open])
        _ = take(&table, 1)
        #expect(table.remove(100) != nil)
        #expect(table.remove(100) == nil)
        #expect(table.removeExpired(at: at(999)).isEmpty)
        #expect(table.removeExpired(at: at(1_000)).map(\.number) == [101])
        #expect(table.count == 0)
        #expect(!table.hasWaiting)
    }
}

@Suite("Calls held for a gap in the request ids")
struct HeldCallsTests {
    @Test("a second arrival of a held id waits beside the first (Q3)")
    func bothAreAnswered() {
        var held = HeldCalls()
        let key = StreamKey(session: 1, stream: 4)
        held.add(.reply(NobodySink()), for: key, patience: at(10), deadline: at(90))
        held.add(.reply(NobodySink()), for: key, patience: at(20), deadline: at(90))
        #expect(held.count == 2)
        #expect(held.remove(session: 1, requestID: 4).count == 2)
        #expect(held.isEmpty)
    }

    @Test("the wait is bounded, and closing the gap is tried again if the first attempt is lost")
    func overdueIsRepeated() {
        var held = HeldCalls()
        for id in [4, 6] as [UInt64] {
            held.add(
                .reply(NobodySink()), for: StreamKey(session: 1, stream: id), patience: at(10),
                deadline: at(500))
        }
        #expect(held.overdue(at: at(9), retryAfterMilliseconds: 100).isEmpty)
        #expect(
            held.overdue(at: at(10), retryAfterMilliseconds: 100) == [
                StreamKey(session: 1, stream: 6)
            ])
        #expect(held.overdue(at: at(50), retryAfterMilliseconds: 100).isEmpty)
        #expect(held.overdue(at: at(110), retryAfterMilliseconds: 100).count == 1)
        #expect(held.removeExpired(at: at(499)).isEmpty)
        #expect(held.removeExpired(at: at(500)).count == 2)
        #expect(held.isEmpty && held.count == 0)
    }
}

@Suite("Keep-alives folded into one entry")
struct RenewalBufferTests {
    @Test("sessions are ascending, each once, and every caller of a session is kept")
    func folds() throws {
        var buffer = RenewalBuffer()
        for (session, acknowledged) in [(9, 1), (2, 1), (9, 3)] as [(UInt64, UInt64)] {
            buffer.add(
                Renewal(
                    primitive: primitive, session: session, acknowledgedRequestID: acknowledged,
                    streams: []),
                NobodySink(), due: at(5))
        }
        let batches = buffer.takeAll()
        #expect(batches.count == 1)
        let (renewals, sinks) = try #require(batches.first)
        #expect(renewals.map(\.session) == [2, 9])
        #expect(renewals.map(\.acknowledgedRequestID) == [1, 3])
        #expect(sinks.map(\.count) == [1, 2])
        #expect(buffer.due == nil)
    }
}

@Suite("Linearizable reads in rounds")
struct ReadTableTests {
    private func read(_ deadline: UInt64 = 100) -> PendingRead {
        PendingRead(query: .view(primitive), sink: NobodySink(), deadline: at(deadline))
    }

    @Test("a read waits for its round's index to be applied (thesis §6.4)")
    func waitsForTheIndex() {
        var table = ReadTable(firstNumber: 1)
        table.add(read())
        let round = table.begin(at: at(0))
        #expect(table.takeAnswerable(lastApplied: LogIndex(100), touched: []).isEmpty)
        table.resolve(round, LogIndex(7))
        #expect(table.takeAnswerable(lastApplied: LogIndex(6), touched: []).isEmpty)
        #expect(table.takeAnswerable(lastApplied: LogIndex(7), touched: []).count == 1)
        #expect(table.isEmpty)
    }

    @Test(
        "a round that the leader could not confirm starts over, and its late answer is ignored (B10)"
    )
    func unconfirmedStartsOver() {
        var table = ReadTable(firstNumber: 1)
        table.add(read())
        let first = table.begin(at: at(0))
        table.restartUnconfirmed()
        #expect(table.canBegin)
        table.resolve(first, LogIndex(1))
        #expect(table.takeAnswerable(lastApplied: LogIndex(9), touched: []).isEmpty)
        #expect(table.begin(at: at(1)) != first)
    }

    @Test("a read that follows its session's commands is looked at when that session moved on")
    func parked() {
        var table = ReadTable(firstNumber: 1)
        table.park(read(), for: 5, until: at(50))
        #expect(table.takeAnswerable(lastApplied: LogIndex(9), touched: [4]).isEmpty)
        #expect(table.takeAnswerable(lastApplied: LogIndex(9), touched: [4, 5]).count == 1)
        #expect(table.isEmpty)
    }

    @Test("every wait is bounded")
    func expires() {
        var table = ReadTable(firstNumber: 1)
        table.add(read(10))
        _ = table.begin(at: at(0))
        table.add(read(20))
        table.park(read(90), for: 5, until: at(10))
        #expect(
            table.removeExpired(at: at(10)).map(\.wasParked).sorted { !$0 && $1 } == [false, true])
        #expect(table.removeExpired(at: at(20)).count == 1)
        #expect(table.isEmpty)
    }
}

@Suite("State digests")
struct DigestLedgerTests {
    private let one = ServerID(1)
    private let two = ServerID(2)
    private let three = ServerID(3)

    @Test("a node that differs from a majority that agrees has diverged (I8)")
    func minorityStops() {
        var ledger = DigestLedger(server: one, majority: 2)
        #expect(ledger.note(7, of: two, at: LogIndex(1_024)) == .agreed)
        #expect(ledger.note(7, of: three, at: LogIndex(1_024)) == .agreed)
        #expect(ledger.note(8, of: one, at: LogIndex(1_024)) == .diverged(at: LogIndex(1_024)))
    }

    @Test("a node in the majority goes on when one peer differs")
    func majorityGoesOn() {
        var ledger = DigestLedger(server: one, majority: 2)
        #expect(ledger.note(7, of: one, at: LogIndex(1_024)) == .agreed)
        #expect(
            ledger.note(9, of: two, at: LogIndex(1_024)) == .differs(from: two, at: LogIndex(1_024))
        )
        #expect(
            ledger.note(7, of: three, at: LogIndex(1_024))
                == .differs(from: two, at: LogIndex(1_024)))
    }

    @Test("the majority counts whoever speaks first")
    func fiveServers() {
        var ledger = DigestLedger(server: one, majority: 3)
        _ = ledger.note(1, of: one, at: LogIndex(1_024))
        _ = ledger.note(2, of: two, at: LogIndex(1_024))
        for server in [3, 4] as [UInt16] {
            _ = ledger.note(3, of: ServerID(server), at: LogIndex(1_024))
        }
        #expect(
            ledger.note(3, of: ServerID(5), at: LogIndex(1_024)) == .diverged(at: LogIndex(1_024)))
    }

    @Test("indexes are kept in order and bounded")
    func bounded() {
        var ledger = DigestLedger(server: one, majority: 2)
        for step in (1...500).reversed() {
            #expect(ledger.note(UInt64(step), of: one, at: LogIndex(UInt64(step))) == .agreed)
        }
        #expect(
            ledger.note(1, of: two, at: LogIndex(500)) == .differs(from: two, at: LogIndex(500)))
    }
}
