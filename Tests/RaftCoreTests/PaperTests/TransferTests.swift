import RaftCore
import Testing

@Suite("Leadership transfer (thesis §3.10)")
struct TransferTests {
    @Test("a target that is up to date is told to campaign at once")
    func upToDateTarget() throws {
        var server = try TestServer.servingLeader()
        let effects = server.step(.transferLeadership(to: TestServer.three))
        #expect(effects.timeoutNows == [TestServer.three])
        #expect(server.raft.status.transferTarget == TestServer.three)
    }

    @Test("a target that lags is brought up to date first")
    func laggingTarget() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        #expect(server.step(.transferLeadership(to: TestServer.three)).timeoutNows.isEmpty)
        let effects = server.acknowledge(through: 2, from: TestServer.three)
        #expect(effects.timeoutNows == [TestServer.three])
    }

    @Test("without a wish the most up-to-date server is chosen, never one whose process is gone")
    func bestTarget() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        server.acknowledge(through: 2, from: TestServer.three)
        server.step(.transferLeadership(to: nil))
        #expect(server.raft.status.transferTarget == TestServer.three)

        var other = try TestServer.servingLeader()
        other.step(.peerUnreachable(TestServer.two), .transferLeadership(to: nil))
        #expect(other.raft.status.transferTarget == TestServer.three)
    }

    @Test("meanwhile the leader takes neither proposals nor reads (B11)")
    func gate() throws {
        var server = try TestServer.servingLeader()
        server.step(.transferLeadership(to: TestServer.two))
        #expect(
            server.propose([1]).proposals.map(\.result)
                == [.refused(.transferringLeadership(to: TestServer.two))])
        #expect(
            server.step(.read(ReadID(1))).reads.map(\.result)
                == [.refused(.transferringLeadership(to: TestServer.two))])
    }

    @Test("a transfer that does not end is given up after an election timeout (C20)")
    func abort() throws {
        var server = try TestServer.servingLeader()
        server.step(.transferLeadership(to: TestServer.two))
        for _ in 0..<12 {
            server.wait(milliseconds: 50)
            server.acknowledge(through: 1, from: TestServer.three)
        }
        #expect(server.raft.status.transferTarget == nil)
        #expect(server.propose([1]).persist?.append.count == 1)
    }

    @Test("TimeoutNow makes a follower campaign without pre-votes, and stickiness does not bind")
    func timeoutNow() throws {
        var server = try TestServer.follower()
        let effects = server.receive(.timeoutNow, term: 1)
        #expect(server.raft.role == .candidate)
        #expect(server.raft.currentTerm == Term(2))
        #expect(effects.voteRequests.allSatisfy { $0.isLeadershipTransfer && !$0.isPreVote })

        var voter = try TestServer.follower()
        let vote = voter.receive(
            RequestVote.vote(isTransfer: true), from: TestServer.three, term: 2)
        #expect(vote.voteReplies.map(\.voteGranted) == [true])

        var leader = try TestServer.servingLeader(term: 2)
        let position = LogIndex(leader.lastIndex)
        let last = leader.receive(
            RequestVote.vote(lastIndex: position.rawValue, lastTerm: 2, isTransfer: true), term: 3)
        #expect(leader.raft.role == .follower)
        #expect(last.voteReplies.map(\.voteGranted) == [true])
    }

    @Test("TimeoutNow of a past term, or to a leader, is ignored")
    func staleTimeoutNow() throws {
        var server = try TestServer.follower(term: 3)
        server.receive(.timeoutNow, term: 2)
        #expect(server.raft.role == .follower)
        var leader = try TestServer.servingLeader(term: 3)
        leader.receive(.timeoutNow, term: 3)
        #expect(leader.raft.role == .leader)
    }

    @Test("only a leader hands over, only to another member")
    func refusals() throws {
        var follower = try TestServer.follower()
        let effects = follower.step(.transferLeadership(to: nil))
        #expect(effects.decisions == [.ignoredTransfer(reason: .notLeader)])
        var leader = try TestServer.servingLeader()
        for target in [ServerID(1), ServerID(9)] {
            let effects = leader.step(.transferLeadership(to: target))
            #expect(effects.decisions == [.ignoredTransfer(reason: .noSuchTarget)])
        }
    }

    @Test("a whole cluster hands over within a round trip, and loses nothing")
    func wholeCluster() throws {
        var cluster = try TestCluster()
        let first = cluster.elect()
        let leader = try #require(first)
        cluster.step(leader, .propose([Proposal(id: ProposalID(1), payload: [9])]))
        cluster.step(leader, .transferLeadership(to: nil))
        cluster.settle()
        #expect(cluster.leader != nil && cluster.leader != leader)
        #expect(cluster.machines.values.allSatisfy { $0.applied.contains { $0.payload == [9] } })
        #expect(cluster.violations == [])
    }
}
