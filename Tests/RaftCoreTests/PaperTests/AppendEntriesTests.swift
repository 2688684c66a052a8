import RaftCore
import Testing

@Suite("AppendEntries at the receiver (Figure 2, §5.3)")
struct AppendEntriesTests {
    @Test("step 1: AppendEntries of a past term is refused, with the current term")
    func staleTerm() throws {
        var server = try TestServer(restoring: PersistentState(currentTerm: Term(5)))
        let effects = server.receive(.appendEntries(.entries([4], after: 0, term: 0)), term: 4)
        #expect(effects.sendNow.map(\.message.term) == [Term(5)])
        #expect(server.raft.leader == nil)
        #expect(server.lastIndex == 0)
    }

    @Test("step 2: a batch that does not join the log is refused, and says where it ends")
    func gap() throws {
        var server = try TestServer.follower(terms: [1, 1])
        let effects = server.receive(.appendEntries(.entries([1], after: 5, term: 1)), term: 1)
        #expect(
            effects.appendReplies == [
                .mismatch(
                    rejectedPrevLogIndex: LogIndex(5), hintIndex: LogIndex(2), hintTerm: Term(1))
            ])
        #expect(server.lastIndex == 2)
    }

    @Test("step 2: another term at prevLogIndex is refused, skipping the whole term (§5.3)")
    func conflictSkipsTerm() throws {
        var server = try TestServer.follower(term: 6, terms: [1, 1, 4, 4, 4])
        let effects = server.receive(.appendEntries(.entries([6], after: 5, term: 3)), term: 6)
        #expect(
            effects.appendReplies == [
                .mismatch(
                    rejectedPrevLogIndex: LogIndex(5), hintIndex: LogIndex(2), hintTerm: Term(1))
            ])
        #expect(server.lastIndex == 5)
    }

    @Test("step 3: a conflicting entry and all that follow it are deleted, in the same write")
    func truncates() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 2, 2])
        let effects = server.receive(.appendEntries(.entries([3], after: 1, term: 1)), term: 3)
        #expect(effects.persist?.truncateFrom == LogIndex(2))
        #expect(effects.persist?.append == TestServer.entries(terms: [3], from: 2))
        #expect(server.lastIndex == 2)
        #expect(effects.sendNow.isEmpty)
        #expect(effects.appendReplies == [.matched(LogIndex(2))])
    }

    @Test("step 3: entries that match are not deleted by an older, shorter batch (C8, M08)")
    func olderBatch() throws {
        var server = try TestServer.follower(terms: [1, 1, 1])
        let effects = server.receive(.appendEntries(.entries([1], after: 0, term: 0)), term: 1)
        #expect(effects.persist == nil)
        #expect(server.lastIndex == 3)
        // Only what this message vouches for.
        #expect(effects.appendReplies == [.matched(LogIndex(1))])
    }

    @Test("step 4: only entries that are not in the log are appended")
    func appendsNewOnly() throws {
        var server = try TestServer.follower(terms: [1, 1])
        let effects = server.receive(
            .appendEntries(.entries([1, 1, 1], after: 1, term: 1)), term: 1)
        #expect(effects.persist?.append.map(\.index) == [LogIndex(3), LogIndex(4)])
        #expect(effects.persist?.truncateFrom == nil)
    }

    @Test("step 5: commitIndex is the smaller of leaderCommit and the last new entry (C9, B06)")
    func commitIsCapped() throws {
        var server = try TestServer.follower(term: 2, terms: [1, 1, 1])
        let heartbeat = AppendEntries.heartbeat(after: 1, term: 1, commit: 3)
        let effects = server.receive(.appendEntries(heartbeat), term: 2)
        #expect(server.raft.commitIndex == LogIndex(1))
        #expect(effects.apply.map(\.index) == [LogIndex(1)])
        let first = AppendEntries.heartbeat(after: 0, term: 0, commit: 3)
        server.receive(.appendEntries(first), term: 2)
        #expect(server.raft.commitIndex == LogIndex(1))
    }

    @Test("committed entries are applied in order, each once (Figure 2, all servers)")
    func appliesOnce() throws {
        var server = try TestServer.follower()
        let batch = AppendEntries.entries([1, 1, 1], after: 0, term: 0, commit: 2)
        #expect(
            server.receive(.appendEntries(batch), term: 1).apply.map(\.index)
                == [LogIndex(1), LogIndex(2)])
        #expect(server.receive(.appendEntries(batch), term: 1).apply.isEmpty)
        let next = AppendEntries.heartbeat(after: 3, term: 1, commit: 3)
        #expect(
            server.receive(.appendEntries(next), term: 1).apply.map(\.index) == [LogIndex(3)])
    }

    @Test("an acknowledgement waits for the disk (Figure 2: respond after updating stable storage)")
    func ackAfterDisk() throws {
        var server = try TestServer.follower()
        let batch = AppendEntries.entries([1], after: 0, term: 0)
        let effects = server.receive(.appendEntries(batch), term: 1)
        #expect(effects.sendNow.isEmpty)
        #expect(effects.sendAfterPersist.count == 1)
        // A heartbeat meanwhile speaks of the durable part only.
        let heartbeat = server.receive(
            .appendEntries(.heartbeat(after: 1, term: 1)), term: 1)
        #expect(heartbeat.appendReplies == [.matched(.zero)])
        server.persisted()
        let later = server.receive(.appendEntries(.heartbeat(after: 1, term: 1)), term: 1)
        #expect(later.sendNow.count == 1)
        #expect(later.appendReplies == [.matched(LogIndex(1))])
    }

    @Test("a repeated batch that is not durable yet is acknowledged with the write that carries it")
    func repeatedBatch() throws {
        var server = try TestServer.follower()
        let batch = AppendEntries.entries([1], after: 0, term: 0)
        server.receive(.appendEntries(batch), term: 1)
        let effects = server.receive(.appendEntries(batch), term: 1)
        #expect(effects.persist?.append == [])
        #expect(effects.sendAfterPersist.count == 1)
    }

    @Test("a notice of a commit is applied and not answered")
    func noticeIsNotAnswered() throws {
        var server = try TestServer.follower(terms: [1])
        let notice = AppendEntries(
            prevLogIndex: LogIndex(1), prevLogTerm: Term(1), entries: [],
            leaderCommit: LogIndex(1), readRound: 0, expectsReply: false)
        let effects = server.receive(.appendEntries(notice), term: 1)
        #expect(effects.apply.count == 1)
        #expect(effects.allMessages.isEmpty)
        let early = AppendEntries(
            prevLogIndex: LogIndex(4), prevLogTerm: Term(1), entries: [],
            leaderCommit: LogIndex(1), readRound: 0, expectsReply: false)
        #expect(server.receive(.appendEntries(early), term: 1).appendReplies.count == 1)
    }

    @Test("a higher term is adopted and durable before it is stated (§5.1)")
    func termIsDurableFirst() throws {
        var server = try TestServer()
        let effects = server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 7)
        #expect(effects.persist?.vote == Persist.Vote(currentTerm: Term(7), votedFor: nil))
        #expect(effects.sendNow.isEmpty && effects.sendAfterPersist.count == 1)
    }
}
