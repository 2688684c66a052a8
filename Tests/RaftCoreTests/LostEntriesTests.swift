import RaftCore
import Testing

@Suite("Small messages arrive, large ones do not (N21)")
struct LostEntriesTests {
    /// A network that drops large packets: heartbeats and votes are fine, entries never come.
    private static func isLarge(_ message: Message) -> Bool {
        guard case .appendEntries(let append) = message.body else { return false }
        return append.entries.reduce(0) { $0 + $1.payload.count } > 1_000
    }

    /// What a leader sends to a follower that it has lost touch with carries the entries that it
    /// lacks. So a leader whose entries never arrive is not heard either, and is replaced.
    @Test("a leader whose entries never arrive is replaced, its entry is lost, the rest goes on")
    func largeMessagesLost() throws {
        var cluster = try TestCluster()
        let first = cluster.elect()
        let leader = try #require(first)
        let term = cluster[leader.rawValue].currentTerm
        let large = [UInt8](repeating: 2, count: 2_000)

        cluster.isLost = Self.isLarge
        cluster.step(leader, .propose([Proposal(id: ProposalID(1), payload: large)]))
        cluster.run(milliseconds: 5_000)
        let second = cluster.elect()
        let next = try #require(second, "nobody leads any more")
        #expect(next != leader)
        #expect(cluster[next.rawValue].currentTerm.rawValue <= term.rawValue + 3)
        cluster.step(next, .propose([Proposal(id: ProposalID(2), payload: [1])]))
        cluster.run(milliseconds: 1_000)
        let applied = cluster.ids.compactMap { cluster.machines[$0]?.applied }
        #expect(applied.allSatisfy { $0.last?.payload == [1] })
        #expect(!applied.joined().contains { $0.payload == large })

        cluster.isLost = { _ in false }
        cluster.step(next, .propose([Proposal(id: ProposalID(3), payload: large)]))
        cluster.settle()
        #expect(cluster.machines.values.allSatisfy { $0.applied.last?.payload == large })
        #expect(cluster.violations == [])
    }
}
