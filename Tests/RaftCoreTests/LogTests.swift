import RaftCore
import Testing

@Suite("The log in memory")
struct LogTests {
    private static func server(_ terms: [UInt64]) throws -> TestServer {
        try TestServer(
            restoring: PersistentState(
                currentTerm: Term(9), entries: TestServer.entries(terms: terms)))
    }

    @Test("an empty log ends at index 0, whose term is 0")
    func empty() throws {
        let log = try Self.server([]).raft.log
        #expect(log.lastIndex == .zero && log.lastTerm == .zero)
        #expect(log.firstIndex == LogIndex(1))
        #expect(log.term(at: .zero) == .zero)
        #expect(log.entry(at: .zero) == nil && log.entry(at: LogIndex(1)) == nil)
        #expect(log.slice(from: LogIndex(1), through: .zero).isEmpty)
    }

    @Test("entries are found by index, and nothing outside")
    func access() throws {
        let log = try Self.server([1, 1, 3]).raft.log
        #expect(log.entry(at: LogIndex(3))?.term == Term(3))
        #expect(log.term(at: LogIndex(4)) == nil)
        #expect(log.slice(from: LogIndex(2), through: LogIndex(3)).map(\.index.rawValue) == [2, 3])
        #expect(log.payloadBytes == 6)
    }

    @Test("after a restart the term before a kept tail is unknown, and never taken for 0 (B05)")
    func unknownBase() throws {
        let server = try TestServer(
            restoring: PersistentState(
                currentTerm: Term(2),
                snapshot: Snapshot(
                    lastIncludedIndex: LogIndex(3), lastIncludedTerm: Term(1), data: []),
                entries: TestServer.entries(terms: [1, 1, 2], from: 3)))
        #expect(server.raft.log.firstIndex == LogIndex(3))
        #expect(server.raft.log.term(at: LogIndex(2)) == nil)
        #expect(server.raft.log.term(at: LogIndex(3)) == Term(1))
        #expect(server.raft.log.term(at: .zero) == nil)
    }

    @Test("compaction keeps the term of the last entry that went")
    func compactedBase() throws {
        var settings = RaftSettings()
        settings.entriesKeptBehindSnapshot = 1
        var server = try TestServer.servingLeader(term: 3, terms: [1, 2, 2], settings: settings)
        server.step(
            .snapshotTaken(
                Snapshot(lastIncludedIndex: LogIndex(4), lastIncludedTerm: Term(3), data: [])))
        server.persisted()
        #expect(server.raft.log.firstIndex == LogIndex(4))
        #expect(server.raft.log.term(at: LogIndex(3)) == Term(2))
        #expect(server.raft.log.term(at: LogIndex(2)) == nil)
        #expect(server.raft.log.payloadBytes == 0)
    }
}

@Suite("Small parts")
struct SmallPartsTests {
    @Test("a server map stays in ascending order")
    func serverMap() {
        var map = ServerMap<Int>(ids: [ServerID(3), ServerID(1)], value: 0)
        map[1] = 7
        #expect(map.indices.map { map.id(at: $0).rawValue } == [1, 3])
        #expect(map.indices.map { map[$0] } == [0, 7])
        #expect(map[ServerID(3)] == 7 && map[ServerID(9)] == nil)
        #expect(map.count == 2 && map.position(of: ServerID(3)) == 1)
    }

    @Test("the generator gives the published numbers of SplitMix64")
    func generator() {
        var generator = SeededGenerator(seed: 1_234_567)
        #expect(
            [generator.next(), generator.next(), generator.next()] == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            ])
    }

    @Test("draws stay within their bounds and reach both ends")
    func draws() {
        var generator = SeededGenerator(seed: 3)
        let draws = (0..<1_000).map { _ in generator.draw(from: 5...8) }
        #expect(Set(draws) == [5, 6, 7, 8])
        #expect((0..<10).allSatisfy { _ in generator.draw(upTo: 0) == 0 })
        _ = generator.draw(from: 0...UInt64.max)
    }

    @Test("decisions read as sentences")
    func decisions() {
        let refusal = VoteRefusal.logBehind(
            mine: LogPosition(index: LogIndex(2), term: Term(1)),
            theirs: LogPosition(index: LogIndex(1), term: Term(1)))
        let decision = Decision.refusedVote(
            to: ServerID(3), term: Term(2), isPreVote: true, reason: refusal)
        #expect("\(decision)" == "refuses 3 its pre-vote in term 2: log 2@1 is ahead of 1@1")
    }
}
