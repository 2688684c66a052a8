import RaftCore
import RaftSimulation
import Testing

/// Whom an oracle accuses, and whom it must not.
@Suite("Oracles")
struct OracleTests {
    /// Server 1 was stopped with an entry of term 1 that nobody else seemed to have. The leader of
    /// term 3 got it, and committed it on servers 2 to 4. The order to cut it comes from the leader
    /// of term 2, late, or from one of term 3.
    @Test(
        "a committed entry leaves a disk only by order of an earlier term, and stays on a majority (I6)",
        arguments: [
            (term: 2, holders: 3, isAllowed: true),
            (term: 3, holders: 3, isAllowed: false),
            (term: 2, holders: 2, isAllowed: false),
        ])
    func truncation(term: UInt64, holders: Int, isAllowed: Bool) throws {
        let entries = [(1, 1), (2, 1), (3, 3)].map { index, term in
            Entry(index: LogIndex(index), term: Term(term), payload: [UInt8(index)])
        }
        var observer = RaftObserver(count: 5)
        let witnesses = try (0..<5).map { try disk($0 < 3 ? entries : []) }
        let leader = try Raft(
            id: ServerID(2),
            configuration: ClusterConfiguration(voters: (1...5).map { ServerID($0) }),
            settings: RaftSettings(), seed: 1, restoring: witnesses[0].image,
            at: Instant(milliseconds: 0))
        try observer.noteStart(1, leader)
        for entry in entries {
            let isFirst = try observer.noteApplied(
                entry, by: leader.id, in: Term(3), disks: witnesses)
            #expect(isFirst)
        }

        let own = try disk(Array(entries.prefix(2)))
        let others = try (0..<4).map { try disk($0 < holders ? entries : []) }
        var cut = Persist(id: PersistID(2))
        cut.vote = Persist.Vote(currentTerm: Term(term), votedFor: nil)
        cut.truncateFrom = LogIndex(2)
        func check() throws {
            try observer.checkTruncation(cut, of: own, ServerID(1), disks: [own] + others)
        }
        if isAllowed {
            try check()
        } else {
            let violation = #expect(throws: Violation.self) { try check() }
            #expect(violation?.invariant == "I6 committed is for ever")
        }
    }

    private func disk(_ entries: [Entry]) throws -> SimulatedDisk {
        var disk = SimulatedDisk()
        var persist = Persist(id: PersistID(1))
        persist.vote = Persist.Vote(
            currentTerm: entries.last?.term ?? Term(1), votedFor: nil)
        persist.append = entries
        disk.write(persist)
        _ = try disk.executeNext()
        return disk
    }
}
