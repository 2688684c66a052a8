import RaftCore
import Testing

@Suite("Leader election (§5.1, §5.2, §5.4.1)")
struct ElectionTests {
    @Test("when servers start up, they begin as followers (§5.2)")
    func startsAsFollower() throws {
        let server = try TestServer()
        #expect(server.raft.role == .follower)
        #expect(server.raft.currentTerm == .zero)
        #expect(server.raft.leader == nil)
    }

    @Test("a follower that hears a leader stays a follower (§5.2)")
    func heartbeatsPreventElections() throws {
        var server = try TestServer.follower()
        for _ in 0..<20 {
            server.wait(milliseconds: 200)
            server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 1)
        }
        #expect(server.raft.role == .follower)
        #expect(server.raft.leader == TestServer.two)
    }

    @Test("a follower that hears nothing for an election timeout campaigns (§5.2)")
    func silenceStartsElection() throws {
        var server = try TestServer.follower()
        server.wait(milliseconds: 299)
        #expect(server.raft.role == .follower)
        server.wait(milliseconds: 302)
        #expect(server.raft.role == .preCandidate)
    }

    @Test("election timeouts are drawn from the whole interval (§5.2)")
    func timeoutsAreRandomized() throws {
        var server = try TestServer.follower()
        var timeouts: [UInt64] = []
        for _ in 0..<200 {
            server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 1)
            timeouts.append(server.raft.deadline.milliseconds(since: server.now))
        }
        #expect(timeouts.allSatisfy { (300...600).contains($0) })
        #expect((timeouts.min() ?? 600) < 330 && (timeouts.max() ?? 300) > 570)
    }

    @Test("a candidate increments its term, votes for itself and asks all others (§5.2)")
    func candidateAsksForVotes() throws {
        var server = try TestServer.follower(terms: [1, 1])
        server.wait(milliseconds: 601)
        let effects = server.receive(server.vote(isPreVote: true), term: 2)
        #expect(server.raft.role == .candidate)
        #expect(server.raft.currentTerm == Term(2))
        #expect(effects.persist?.vote == Persist.Vote(currentTerm: Term(2), votedFor: ServerID(1)))
        #expect(effects.sendNow.isEmpty)
        #expect(effects.sendAfterPersist.map(\.to) == [TestServer.two, TestServer.three])
        #expect(
            effects.voteRequests.allSatisfy {
                $0.lastLogIndex == LogIndex(2) && $0.lastLogTerm == Term(1) && !$0.isPreVote
            })
    }

    @Test("a candidate wins with votes of a majority (§5.2, O4)", arguments: 1...7)
    func majorityWins(size: Int) throws {
        var server = try TestServer.candidate(size: size)
        var votes = 1
        for voter in 2..<(size + 2) where server.raft.role == .candidate {
            server.receive(server.vote(isPreVote: false), from: ServerID(UInt16(voter)), term: 1)
            votes += 1
        }
        #expect(server.raft.role == .leader)
        #expect(votes == size / 2 + 1)
    }

    @Test("a vote of the same server counts once (§5.2)")
    func repeatedVote() throws {
        var server = try TestServer.candidate(size: 5)
        server.receive(server.vote(isPreVote: false), term: 1)
        server.receive(server.vote(isPreVote: false), term: 1)
        #expect(server.raft.role == .candidate)
    }

    @Test("its own vote counts only when it is durable (B17)")
    func ownVoteIsDurable() throws {
        var server = try TestServer(size: 3)
        server.waitForTimer()
        server.receive(server.vote(isPreVote: true), term: 1)
        server.receive(server.vote(isPreVote: false), term: 1)
        #expect(server.raft.role == .candidate)
        server.persisted()
        #expect(server.raft.role == .leader)
    }

    @Test("a new leader sends heartbeats to all others at once, with a no-op (§5.2, §8)")
    func leaderAnnouncesItself() throws {
        let server = try TestServer.leader(term: 3, terms: [1, 2])
        for other in [TestServer.two, TestServer.three] {
            let appends = server.effects.appends(to: other)
            #expect(appends.count == 1)
            #expect(appends.first?.prevLogIndex == LogIndex(2))
            #expect(appends.first?.prevLogTerm == Term(2))
            let noOp = Entry(index: LogIndex(3), term: Term(3), payload: [])
            #expect(appends.first?.entries == [noOp])
        }
    }

    @Test("a server grants at most one vote per term, first come first served (§5.2)")
    func oneVotePerTerm() throws {
        var server = try TestServer()
        let first = server.receive(RequestVote.vote(), from: TestServer.two, term: 1)
        #expect(first.voteReplies.map(\.voteGranted) == [true])
        server.persisted()
        let second = server.receive(RequestVote.vote(), from: TestServer.three, term: 1)
        #expect(second.voteReplies.map(\.voteGranted) == [false])
        let repeated = server.receive(RequestVote.vote(), from: TestServer.two, term: 1)
        #expect(repeated.voteReplies.map(\.voteGranted) == [true])
        #expect(repeated.persist == nil)
    }

    @Test("a vote is durable before it is sent (Figure 2, persistent state)")
    func voteIsDurableFirst() throws {
        var server = try TestServer()
        let effects = server.receive(RequestVote.vote(), term: 4)
        #expect(effects.sendNow.isEmpty)
        #expect(effects.sendAfterPersist.count == 1)
        #expect(
            effects.persist?.vote == Persist.Vote(currentTerm: Term(4), votedFor: TestServer.two))
        // The same question again, while the disk is at work: the answer waits as well.
        let again = server.receive(RequestVote.vote(), term: 4)
        #expect(again.sendNow.isEmpty)
        #expect(again.sendAfterPersist.count == 1 && again.persist != nil)
    }

    @Test("a vote survives a restart (§5.2)")
    func voteSurvivesRestart() throws {
        var server = try TestServer(
            restoring: PersistentState(currentTerm: Term(4), votedFor: TestServer.two))
        let effects = server.receive(RequestVote.vote(), from: TestServer.three, term: 4)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
    }

    @Test("RequestVote of a past term is refused, with the current term (§5.1)")
    func staleCandidate() throws {
        var server = try TestServer(restoring: PersistentState(currentTerm: Term(5)))
        let effects = server.receive(RequestVote.vote(), term: 4)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
        #expect(effects.allMessages.map(\.term) == [Term(5)])
    }

    @Test(
        "a voter refuses a candidate whose log is less up to date (§5.4.1)",
        arguments: [
            // (voter's terms, candidate's last index, its last term, granted)
            ([1, 1], 2, 1, true), ([1, 1], 3, 1, true), ([1, 1], 1, 1, false),
            ([1, 1], 1, 2, true), ([1, 2], 5, 1, false), ([1, 2], 2, 2, true),
            ([], 0, 0, true), ([1], 0, 0, false),
        ] as [([UInt64], UInt64, UInt64, Bool)])
    func logComparison(terms: [UInt64], index: UInt64, term: UInt64, granted: Bool) throws {
        for isPreVote in [true, false] {
            var server = try TestServer(
                restoring: PersistentState(
                    currentTerm: Term(2), entries: TestServer.entries(terms: terms)))
            let effects = server.receive(
                RequestVote.vote(lastIndex: index, lastTerm: term, isPreVote: isPreVote), term: 3)
            #expect(effects.voteReplies.map(\.voteGranted) == [granted])
        }
    }

    @Test("a candidate that hears the leader of its term follows it (§5.2)")
    func candidateFollowsLeader() throws {
        var server = try TestServer.candidate(term: 2)
        server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 2)
        #expect(server.raft.role == .follower)
        #expect(server.raft.leader == TestServer.two)
    }

    @Test("a candidate rejects AppendEntries of a past term and stays a candidate (§5.2)")
    func candidateRejectsOldLeader() throws {
        var server = try TestServer.candidate(term: 2)
        let effects = server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 1)
        #expect(server.raft.role == .candidate)
        #expect(effects.allMessages.map(\.term) == [Term(2)])
    }

    @Test("a candidate without a winner tries again after its timeout (§5.2)")
    func splitVote() throws {
        var server = try TestServer.candidate(term: 2)
        server.waitForTimer()
        #expect(server.raft.role == .preCandidate)
        #expect(server.raft.currentTerm == Term(2))
    }

    @Test("leaders and candidates that see a higher term become followers (§5.1)")
    func higherTermStepsDown() throws {
        var leader = try TestServer.leader(term: 2)
        leader.acknowledge(through: 0, from: TestServer.two)
        let reply = AppendEntriesReply(result: .matched(.zero), readRound: 0)
        let effects = leader.receive(.appendEntriesReply(reply), term: 9)
        #expect(leader.raft.role == .follower)
        #expect(effects.persist?.vote == Persist.Vote(currentTerm: Term(9), votedFor: nil))

        var candidate = try TestServer.candidate(term: 2)
        candidate.receive(RequestVote.vote(), term: 3)
        #expect(candidate.raft.role == .follower)
        #expect(candidate.raft.votedFor == TestServer.two)
    }

    @Test("a higher term in a vote's answer is adopted, not counted as a vote (B23)")
    func higherTermIsNoVote() throws {
        var server = try TestServer.candidate(term: 2)
        server.receive(server.vote(isPreVote: false), term: 3)
        #expect(server.raft.role == .follower)
        #expect(server.raft.currentTerm == Term(3))
    }

    @Test("a vote for an earlier round or term is not counted (C6)")
    func staleVote() throws {
        var server = try TestServer.candidate(term: 2)
        let stale = RequestVoteReply(voteGranted: true, isPreVote: false, round: server.round &- 1)
        server.receive(.requestVoteReply(stale), term: 2)
        server.receive(server.vote(isPreVote: false), term: 1)
        server.receive(server.vote(isPreVote: true), term: 3)
        #expect(server.raft.role == .candidate)
    }

    @Test("granting a vote restarts the election timer (§5.2, M15)")
    func grantRestartsTimer() throws {
        var server = try TestServer()
        server.now = server.raft.deadline
        server.receive(RequestVote.vote(), term: 1)
        #expect(server.raft.deadline >= server.now.advanced(byMilliseconds: 300))
    }

    @Test("a single server elects itself without waiting")
    func singleServer() throws {
        var server = try TestServer(size: 1)
        #expect(server.raft.deadline == server.now)
        server.waitForTimer()
        #expect(server.raft.role == .candidate)
        server.persisted()
        #expect(server.raft.role == .leader)
        let effects = server.persisted()
        #expect(effects.apply.map(\.index) == [LogIndex(1)])
        #expect(server.raft.isReadyToServe)
    }
}
