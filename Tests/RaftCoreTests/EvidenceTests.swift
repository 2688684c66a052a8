import RaftCore
import Testing

@Suite("Evidence that a process is gone")
struct EvidenceTests {
    @Test("a follower whose leader is gone campaigns within milliseconds")
    func hastens() throws {
        var server = try TestServer.follower()
        server.step(.peerUnreachable(TestServer.two))
        #expect(server.raft.deadline <= server.now.advanced(byMilliseconds: 12))
        server.waitForTimer()
        #expect(server.raft.role == .preCandidate)
    }

    @Test("evidence about a server that does not lead changes nothing")
    func otherServer() throws {
        var server = try TestServer.follower()
        let deadline = server.raft.deadline
        server.step(.peerUnreachable(TestServer.three), .peerUnreachable(ServerID(99)))
        #expect(server.raft.deadline == deadline)
    }

    @Test("any message of the leader, or its link, clears the evidence", arguments: [true, false])
    func cleared(byLink: Bool) throws {
        var server = try TestServer.follower()
        server.step(.peerUnreachable(TestServer.two))
        if byLink {
            server.step(.peerReachable(TestServer.two))
        } else {
            server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: 1)
        }
        #expect(server.raft.deadline >= server.now.advanced(byMilliseconds: 300))
        let effects = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 2)
        #expect(effects.voteReplies.map(\.voteGranted) == [false])
    }

    @Test("a voter with the same evidence grants pre-votes and votes although it heard the leader")
    func voterYields() throws {
        var server = try TestServer.follower()
        server.step(.peerUnreachable(TestServer.two))
        let preVote = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 2)
        #expect(preVote.voteReplies.map(\.voteGranted) == [true])
        // It lets the other finish before it asks itself.
        #expect(server.raft.deadline >= server.now.advanced(byMilliseconds: 24))
        let vote = server.receive(RequestVote.vote(), from: TestServer.three, term: 2)
        #expect(vote.voteReplies.map(\.voteGranted) == [true])
    }

    @Test("evidence never makes a log that is behind, or a second vote, acceptable")
    func safetyStands() throws {
        var server = try TestServer.follower(terms: [1])
        server.step(.peerUnreachable(TestServer.two))
        let behind = server.receive(
            RequestVote.vote(isPreVote: true), from: TestServer.three, term: 2)
        #expect(behind.voteReplies.map(\.voteGranted) == [false])
        server.receive(
            RequestVote.vote(lastIndex: 1, lastTerm: 1), from: TestServer.three, term: 2)
        let second = server.receive(
            RequestVote.vote(lastIndex: 1, lastTerm: 1), from: TestServer.two, term: 2)
        #expect(second.voteReplies.map(\.voteGranted) == [false])
    }

    @Test("refused for want of the same evidence, it asks again soon, a bounded number of times")
    func quickRetries() throws {
        var server = try TestServer.follower()
        server.step(.peerUnreachable(TestServer.two))
        var pauses: [UInt64] = []
        for _ in 0..<12 {
            let start = server.now
            server.waitForTimer()
            pauses.append(server.now.milliseconds(since: start))
            server.receive(
                server.vote(isPreVote: true, granted: false), from: TestServer.three, term: 1)
        }
        #expect(pauses.prefix(3).allSatisfy { $0 <= 32 })
        #expect(pauses.suffix(4).allSatisfy { $0 >= 300 })
        #expect(server.raft.currentTerm == Term(1))
    }

    @Test(
        "from kill -9 to the next leader it takes well under 60 ms, even if one learns of it later")
    func failover() throws {
        for skew in [UInt64(0), 5, 15] {
            for seed in 1...20 {
                var cluster = try TestCluster(seed: UInt64(seed))
                let first = cluster.elect()
                let leader = try #require(first)
                cluster.crash(leader)
                let start = cluster.now
                let others = cluster.ids.filter { $0 != leader }
                cluster.step(others[0], .peerUnreachable(leader))
                cluster.run(milliseconds: skew)
                cluster.step(others[1], .peerUnreachable(leader))
                while cluster.leader == nil { cluster.run(milliseconds: 1) }
                #expect(cluster.now.milliseconds(since: start) < 60, "skew \(skew), seed \(seed)")
            }
        }
    }

    @Test("a leader stops sending to a server that is gone and resumes with its link")
    func leaderSide() throws {
        var server = try TestServer.servingLeader()
        server.step(.peerUnreachable(TestServer.two))
        let effects = server.propose([1])
        #expect(effects.appends(to: TestServer.two).isEmpty)
        #expect(effects.appends(to: TestServer.three).count == 1)
        let resumed = server.step(.peerReachable(TestServer.two))
        #expect(resumed.appends(to: TestServer.two).map(\.entries.count) == [1])
    }
}
