import RaftCore
import Testing

@Suite("PreVote and stickiness (thesis §9.6, §4.2.3)")
struct PreVoteTests {
    @Test("asking for pre-votes changes neither term nor vote, and writes nothing")
    func preVoteChangesNothing() throws {
        var server = try TestServer.follower()
        let effects = server.wait(milliseconds: 601)
        #expect(server.raft.currentTerm == Term(1))
        #expect(effects.persist == nil)
        #expect(effects.sendNow.map(\.message.term) == [Term(2), Term(2)])
        #expect(effects.voteRequests.allSatisfy { $0.isPreVote })
    }

    @Test("answering a pre-vote changes neither term nor vote, and writes nothing")
    func grantChangesNothing() throws {
        var server = try TestServer()
        let effects = server.receive(RequestVote.vote(isPreVote: true, round: 5), term: 8)
        #expect(server.raft.currentTerm == .zero && server.raft.votedFor == nil)
        #expect(effects.persist == nil)
        #expect(
            effects.voteReplies == [
                RequestVoteReply(voteGranted: true, isPreVote: true, round: 5)
            ])
        #expect(effects.sendNow.map(\.message.term) == [Term(8)])
        // Nothing was promised, so another may be told the same.
        let other = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 8)
        #expect(other.voteReplies.map(\.voteGranted) == [true])
    }

    @Test("without a majority of pre-votes no term is raised (C4)")
    func isolatedServerKeepsItsTerm() throws {
        var server = try TestServer.follower(term: 3)
        for _ in 0..<50 { server.waitForTimer() }
        #expect(server.raft.currentTerm == Term(3))
    }

    @Test("a server that heard its leader within the smallest timeout refuses pre-votes and votes")
    func stickiness() throws {
        var server = try TestServer.follower()
        server.now = server.now.advanced(byMilliseconds: 299)
        let preVote = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 2)
        #expect(preVote.voteReplies.map(\.voteGranted) == [false])
        let vote = server.receive(RequestVote.vote(), from: TestServer.three, term: 2)
        #expect(vote.allMessages.isEmpty && vote.persist == nil)
        #expect(server.raft.currentTerm == Term(1))
        server.now = server.now.advanced(byMilliseconds: 1)
        let later = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 2)
        #expect(later.voteReplies.map(\.voteGranted) == [true])
    }

    @Test("a leader refuses pre-votes")
    func leaderRefuses() throws {
        var server = try TestServer.servingLeader(term: 2)
        let effects = server.receive(
            RequestVote.vote(lastIndex: 9, lastTerm: 2, isPreVote: true), term: 3)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
        #expect(server.raft.role == .leader)
    }

    @Test("stickiness does not bind against the leader itself: it restarted and campaigns (B24)")
    func leaderCampaigns() throws {
        var server = try TestServer.follower()
        let effects = server.receive(RequestVote.vote(isPreVote: true), term: 2)
        #expect(effects.voteReplies.map(\.voteGranted) == [true])
    }

    @Test(
        "a pre-candidate that is behind learns the term from a refusal, then asks anew (C5)"
    )
    func lowerTermCatchesUp() throws {
        var server = try TestServer(
            restoring: PersistentState(
                currentTerm: Term(2), entries: TestServer.entries(terms: [1, 2])))
        server.waitForTimer()
        server.receive(server.vote(isPreVote: true, granted: false), term: 5)
        #expect(server.raft.currentTerm == Term(5))
        let effects = server.waitForTimer()
        #expect(effects.sendNow.map(\.message.term) == [Term(6), Term(6)])
    }

    @Test("a voter of a higher term refuses a pre-vote and says its term (B24)")
    func higherTermVoter() throws {
        var server = try TestServer(restoring: PersistentState(currentTerm: Term(7)))
        let effects = server.receive(RequestVote.vote(isPreVote: true), term: 3)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
        #expect(effects.sendNow.map(\.message.term) == [Term(7)])
    }

    @Test("a voter of a lower term can be part of the quorum (C5)")
    func lowerTermVoter() throws {
        var server = try TestServer(restoring: PersistentState(currentTerm: Term(1)))
        let effects = server.receive(RequestVote.vote(isPreVote: true), term: 9)
        #expect(effects.voteReplies.map(\.voteGranted) == [true])
        let vote = server.receive(RequestVote.vote(), term: 9)
        #expect(vote.voteReplies.map(\.voteGranted) == [true])
    }

    @Test("a pre-vote of an earlier round is not counted")
    func staleRound() throws {
        var server = try TestServer.follower()
        server.wait(milliseconds: 601)
        let earlier = server.vote(isPreVote: true)
        server.waitForTimer()
        server.receive(earlier, term: 2)
        #expect(server.raft.role == .preCandidate)
        server.receive(server.vote(isPreVote: true), term: 2)
        #expect(server.raft.role == .candidate)
    }

    @Test("a pre-candidate that is refused by a majority is a follower until its timer fires")
    func refusedByMajority() throws {
        var server = try TestServer.follower()
        server.wait(milliseconds: 601)
        for voter in [TestServer.two, TestServer.three] {
            server.receive(server.vote(isPreVote: true, granted: false), from: voter, term: 1)
        }
        #expect(server.raft.role == .follower)
        #expect(server.raft.deadline > server.now)
    }
}
