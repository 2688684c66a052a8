import RaftCore
import Testing

@Suite("Numbered, asynchronous persistence")
struct PersistenceTests {
    private static func received(_ append: AppendEntries, from server: ServerID, term: UInt64)
        -> Input
    {
        .received(Message(from: server, term: Term(term), body: .appendEntries(append)))
    }

    @Test("ids ascend by one, one for each Effects that writes")
    func ids() throws {
        var server = try TestServer.servingLeader()
        let first = try #require(server.lastPersist)
        #expect(server.propose([1]).persist?.id.rawValue == first.rawValue + 1)
        #expect(server.propose([2]).persist?.id.rawValue == first.rawValue + 2)
        #expect(server.wait(milliseconds: 50).persist == nil)
    }

    @Test("a late acknowledgement never vouches for a suffix that was replaced (B31)")
    func truncationLowersQueuedWrites() throws {
        var server = try TestServer.follower(term: 2, terms: [1])
        server.receive(.appendEntries(.entries([2, 2], after: 1, term: 1)), term: 2)
        let first = try #require(server.lastPersist)
        server.receive(
            .appendEntries(.entries([3, 3, 3], after: 1, term: 1)), from: TestServer.three, term: 3)
        server.step(.persisted(first))
        #expect(server.raft.status.durableIndex == LogIndex(1))
        server.persisted()
        #expect(server.raft.status.durableIndex == LogIndex(4))
    }

    @Test("an acknowledgement covers all earlier ids, and a repeated one changes nothing")
    func coversEarlier() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        let first = try #require(server.lastPersist)
        server.propose([2])
        server.persisted()
        #expect(server.raft.status.durableIndex == LogIndex(3))
        server.step(.persisted(first))
        #expect(server.raft.status.durableIndex == LogIndex(3))
        let effects = server.step(.persisted(PersistID(.max)))
        #expect(effects.decisions == [.ignored(.unknownPersist)])
    }

    @Test("several steps into one Effects make one write: appends join")
    func mergesAppends() throws {
        var server = try TestServer.follower()
        let effects = server.step(
            Self.received(.entries([1], after: 0, term: 0), from: TestServer.two, term: 1),
            Self.received(.entries([1, 1], after: 1, term: 1), from: TestServer.two, term: 1))
        #expect(effects.persist?.append.map(\.index.rawValue) == [1, 2, 3])
        #expect(effects.sendAfterPersist.count == 2)
    }

    @Test("entries that are replaced within one Effects never reach the disk")
    func mergesTruncation() throws {
        var server = try TestServer.follower(term: 2, terms: [1])
        let effects = server.step(
            Self.received(.entries([2, 2], after: 1, term: 1), from: TestServer.two, term: 2),
            Self.received(.entries([3], after: 1, term: 1), from: TestServer.three, term: 3))
        #expect(effects.persist?.append.map(\.term) == [Term(3)])
        #expect(effects.persist?.truncateFrom == nil)
        #expect(effects.persist?.vote?.currentTerm == Term(3))
        // What is gone is not acknowledged either.
        #expect(effects.appendReplies == [.matched(LogIndex(2))])
    }

    @Test("a truncation that reaches behind this write's entries deletes from the disk too")
    func mergesDeepTruncation() throws {
        var server = try TestServer.follower(term: 2, terms: [1, 1])
        let effects = server.step(
            Self.received(.entries([2, 2], after: 2, term: 1), from: TestServer.two, term: 2),
            Self.received(.entries([3, 3, 3], after: 1, term: 1), from: TestServer.three, term: 3),
            Self.received(.entries([4], after: 3, term: 3), from: TestServer.two, term: 4))
        #expect(effects.persist?.truncateFrom == LogIndex(2))
        #expect(effects.persist?.append.map(\.term.rawValue) == [3, 3, 4])
        var disk = PersistentState(entries: TestServer.entries(terms: [1, 1]))
        if let persist = effects.persist { TestCluster.apply(persist, to: &disk) }
        #expect(disk.entries.map(\.term.rawValue) == [1, 3, 3, 4])
    }

    @Test("votes of two terms in one Effects: only the one that reaches the disk is sent")
    func mergesVotes() throws {
        var server = try TestServer()
        let effects = server.step(
            .received(Message(from: TestServer.two, term: Term(1), body: RequestVote.vote())),
            .received(Message(from: TestServer.three, term: Term(2), body: RequestVote.vote())))
        #expect(
            effects.persist?.vote
                == Persist.Vote(currentTerm: Term(2), votedFor: TestServer.three))
        #expect(effects.sendAfterPersist.map(\.to) == [TestServer.three])
    }

    @Test("several steps into one Effects make one append per follower")
    func mergesMessages() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        server.persisted()
        let reply = AppendEntriesReply(result: .matched(LogIndex(2)), readRound: 0)
        let effects = server.step(
            .received(
                Message(from: TestServer.two, term: Term(1), body: .appendEntriesReply(reply))),
            .propose([Proposal(id: ProposalID(2), payload: [2])]),
            .propose([Proposal(id: ProposalID(3), payload: [3])]),
            .read(ReadID(1)))
        #expect(effects.sendNow.count == 2)
        let append = effects.appends(to: TestServer.three).first
        #expect(append?.entries.map(\.index.rawValue) == [3, 4])
        #expect(append?.leaderCommit == LogIndex(2))
        #expect(append?.readRound == 1)
    }

    @Test("a refusal that states a term waits until that term is durable")
    func refusalWaits() throws {
        var server = try TestServer(
            restoring: PersistentState(
                currentTerm: Term(1), entries: TestServer.entries(terms: [1])))
        let effects = server.receive(RequestVote.vote(), term: 5)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
        #expect(effects.sendNow.isEmpty)
        // Still at work: an empty write carries the next refusal behind the first.
        let again = server.receive(RequestVote.vote(), from: TestServer.three, term: 5)
        #expect(again.sendNow.isEmpty && again.persist?.vote == nil && again.persist != nil)
        server.persisted()
        let later = server.receive(RequestVote.vote(), from: TestServer.three, term: 5)
        #expect(later.sendNow.count == 1)
    }

    @Test("a candidate waits for its own vote: a slow disk does not raise the term (D20)")
    func slowCandidate() throws {
        var server = try TestServer()
        server.waitForTimer()
        server.receive(server.vote(isPreVote: true), term: 1)
        #expect(server.raft.role == .candidate)
        for _ in 1...5 { server.waitForTimer() }
        #expect(server.raft.role == .candidate && server.raft.currentTerm == Term(1))
        server.receive(server.vote(isPreVote: false), term: 1)
        server.persisted()
        #expect(server.raft.role == .leader)
    }

    @Test("a leader whose own disk hangs refuses more, though followers commit (D20)")
    func hangingDisk() throws {
        var settings = RaftSettings()
        settings.maximumUncommittedBytes = 1_000
        var server = try TestServer.servingLeader(settings: settings)
        let payload = [UInt8](repeating: 7, count: 400)
        for number in 1...2 {
            let effects = server.step(
                .propose([Proposal(id: ProposalID(UInt64(number)), payload: payload)]))
            guard case .appended? = effects.proposals.first?.result else {
                Issue.record("proposal \(number) was refused")
                return
            }
            server.acknowledge(through: server.lastIndex, from: TestServer.two)
            server.acknowledge(through: server.lastIndex, from: TestServer.three)
        }
        #expect(server.raft.commitIndex == server.raft.log.lastIndex)
        let third = Input.propose([Proposal(id: ProposalID(3), payload: payload)])
        #expect(server.step(third).proposals.map { $0.result } == [.refused(.overloaded)])
        server.persisted()
        guard case .appended? = server.step(third).proposals.first?.result else {
            Issue.record("the disk is well again")
            return
        }
    }

    @Test("a proposal above the bound is taken where nothing waits, and nothing is taken beside it")
    func largeProposal() throws {
        var settings = RaftSettings()
        settings.maximumUncommittedBytes = 100
        var server = try TestServer.servingLeader(settings: settings)
        let effects = server.step(
            .propose([
                Proposal(id: ProposalID(1), payload: [UInt8](repeating: 7, count: 400)),
                Proposal(id: ProposalID(2), payload: [7]),
            ]))
        let index = LogIndex(server.lastIndex)
        #expect(
            effects.proposals.map { $0.result } == [
                .appended(index, server.raft.currentTerm), .refused(.overloaded),
            ])
    }
}
