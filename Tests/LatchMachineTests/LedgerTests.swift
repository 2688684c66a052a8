import BinaryCoding
import Foundation
import Testing

@testable import LatchMachine

@Suite("The ledger")
struct LedgerTests {
    /// A latch that two sessions hand to and fro.
    private func busyReplica(terms: Int) -> Replica {
        var replica = Replica()
        replica.checksRestore = false
        let sessions = [replica.open(), replica.open()]
        for (position, session) in sessions.enumerated() {
            replica.latch(session, 1, "p\(position)")
        }
        for term in 1..<max(terms, 1) {
            replica.wallTime += 1
            replica.apply(
                .handOver(
                    .demo, 0, requestID: 0, fencingToken: replica.state()?.fencingToken ?? 0,
                    to: "p\(term % 2)"))
        }
        return replica
    }

    @Test("it keeps the newest 64 terms, in order and without a gap")
    func bounded() throws {
        let replica = busyReplica(terms: 100)
        let ledger = try #require(replica.machine.view(.demo)?.ledger)
        #expect(ledger.map(\.term) == Array(37...100))
        #expect(ledger.dropLast().allSatisfy { $0.ended != nil })
        #expect(ledger.last?.ended == nil)
        #expect(replica.machine.brokenInvariants() == [])
        let restored = try LatchMachine(snapshot: replica.machine.encodeSnapshot())
        #expect(restored.view(.demo)?.ledger == ledger)
    }

    @Test("a session that stays in the latch does not make its chain longer or other")
    func chain() throws {
        let ledger = try #require(busyReplica(terms: 5).machine.view(.demo)?.ledger)
        #expect(Set(ledger.map(\.chain)).count == 5)
        for (record, before) in zip(ledger.dropFirst(), ledger) {
            #expect(record.chain == record.chained(after: before.chain))
        }
    }

    /// How the check refuses the ledger after a change; nil if it does not.
    private func refusal(_ change: (inout [TermRecord]) -> Void) -> String? {
        let machine = busyReplica(terms: 4).machine
        guard let view = machine.view(.demo) else { return "no latch" }
        var records = view.ledger
        change(&records)
        do throws(DecodingFailure) {
            let ledger = Ledger(records: records, idleSince: 0, believedUntil: 0)
            try ledger.check(
                against: view.state, heldBy: view.owners.first, upTo: machine.state)
            return nil
        } catch {
            return error.description
        }
    }

    @Test("a ledger that is not the latch's, not in order or not in one piece is refused")
    func checks() {
        #expect(refusal { _ in } == nil)
        #expect(refusal { $0 = [] } == "term records: the holder's is missing")
        #expect(refusal { $0.removeLast() } == "term records: the last is not the latch's term")
        #expect(refusal { $0.remove(at: 1) } == "term record: 3 breaks the chain")
        #expect(refusal { $0[1].ended = nil } == "term record: 2 breaks the chain")
        #expect(refusal { $0[2].chain ^= 1 } == "term record: 3 breaks the chain")
        let moved = refusal { records in
            records[0].ended = TermEdge(
                cause: .closed, index: 1, raftTerm: 1, logTimeMilliseconds: 0,
                wallTimeMilliseconds: 0)
        }
        #expect(moved == "term record: 1 is out of its time")
    }

    @Test(
        "a snapshot of version 1 is read: its ledger begins with the holder, the rest is the same")
    func versionOne() throws {
        let bytes = try #require(Data(base64Encoded: Self.snapshotOfVersionOne)).map { $0 }
        var machine = try LatchMachine(snapshot: bytes)
        #expect(machine.digest == 6_037_763_820_924_525_241)
        #expect(machine.brokenInvariants() == [])
        let view = try #require(machine.view(.demo))
        #expect(view.state.participants == ["alpha", "beta"])
        #expect(view.state.value.isEmpty)
        #expect(view.ledger.map(\.holder) == ["alpha"])
        #expect(view.ledger.first?.began.index == 4)
        #expect(view.ledger.first?.began.cause == .joined)
        #expect(machine.view(.other)?.ledger == [])
        let again = try LatchMachine(snapshot: machine.encodeSnapshot())
        #expect(again.encodeSnapshot() == machine.encodeSnapshot())
        var outcomes: [Outcome] = []
        let close = LogRecord(
            origin: 1, number: 1, logTimeMilliseconds: 9, command: .closeSession(.demo, 1))
        machine.apply(close, at: 11, raftTerm: 2, into: &outcomes)
        #expect(machine.view(.demo)?.ledger.map(\.holder) == ["alpha", "beta"])
        #expect(machine.brokenInvariants() == [])
    }

    @Test("a record of version 1 is read as one whose wall time is not known")
    func recordOfVersionOne() throws {
        let bytes = try #require(Data(base64Encoded: Self.recordOfVersionOne)).map { $0 }
        let record = LogRecord(
            origin: 2, number: 3, logTimeMilliseconds: 4,
            command: .latch(.demo, 1, requestID: 1, participant: "alpha"))
        #expect(try LogRecord(decoding: bytes) == record)
    }

    private static let recordOfVersionOne =
        "AQACAAAAAAAAAAMAAAAAAAAABAYAAAADYXBwAAAABGRlbW8AAAAAAAAAAQAAAAAAAAABAAAABWFscGhh"
    private static let snapshotOfVersionOne = """
        TEFUQ0hTTlAAAQAHAAAAAAAAAAoAAAAAAAAABQAAAAAAAAAAAAAAAAAAAABTynI0p+lauQAAAAIAAAADYXBw\
        AAAABGRlbW8AAAAAAAAAAQAHAAAAAAAEAAAAAgAAAAAAAAAFYWxwaGEAAAAAAAAAAQAAAAEAAAAEYmV0YQAA\
        AAAAAAACAAAAAAAAAAIAAAACAAAAAAAAAAQAAAAAAAAAAQAHAAAAAAAEAAAAAQAAAAAAAAAAAAAABQAAAAAA\
        AAABAAcAAAAAAAQAAAACAAAAAAAAAAEAAAACAAAAAAAAAAEAAAAAAAALuAAAAAAAAAu9AAAAAAAAAAEAAAAA\
        AAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAAAAAAAAAEAAAAAAAAAAEABwAAAAAABAAAAAEAAAAAAAAAAQAAAAAA\
        AAADAAAAAAIAAAAEaGVsZAAAAAAAAAAAAAAAAAAAAAIAAAAAAAAjKAAAAAAAACMtAAAAAAAAAAIAAAAAAAAA\
        AAAAAAEAAAAAAAAAAQAAAAABAAAAAAAAAAAFAAAAAAAAAAEABwAAAAAABAAAAAIAAAAAAAAAAQAAAAAAAAAB\
        AAAAAAAAAAIAAAAAAAAABgAAAAAAAAACAQAAAAAAAAAAAAAAAAAAAANhcHAAAAAFb3RoZXIAAAAAAAAAAQAH\
        AAAAAAAIAAAAAAAAAAAAAAACAAAAAgAAAAAAAAAIAAAAAAAAAAEABwAAAAAACAAAAAEAAAAAAAAABGdvbmUA\
        AAAAAAAACgAAAAAAAAABAAcAAAAAAAgAAAAAAAAAAQAAAAAAAAAJAAAAAAAAC7gAAAAAAAALvQAAAAAAAAAA\
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAApaZeeQ==
        """
}
