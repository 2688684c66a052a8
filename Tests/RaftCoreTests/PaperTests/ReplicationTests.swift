import RaftCore
import Testing

@Suite("Log replication at the leader (Figure 2, §5.3, §5.4.2)")
struct ReplicationTests {
    @Test(
        "a command is appended and sent to all, while the leader's own disk works (thesis §10.2.1)")
    func commandIsReplicated() throws {
        var server = try TestServer.servingLeader()
        let effects = server.propose([1], [2])
        #expect(effects.persist?.append.count == 2)
        for follower in [TestServer.two, TestServer.three] {
            let appends = effects.appends(to: follower)
            #expect(appends.map(\.entries.count) == [2])
            #expect(appends.first?.prevLogIndex == LogIndex(1))
        }
        #expect(
            effects.proposals.map(\.result) == [
                .appended(LogIndex(2), Term(1)), .appended(LogIndex(3), Term(1)),
            ])
    }

    @Test("one write costs each follower one append, and one notice of the commit")
    func messagesPerWrite() throws {
        var server = try TestServer.servingLeader()
        #expect(server.propose([1]).sendNow.count == 2)
        #expect(server.persisted().sendNow.isEmpty)
        let commit = server.acknowledge(through: 2, from: TestServer.two)
        #expect(commit.apply.map(\.index) == [LogIndex(2)])
        #expect(commit.sendNow.map(\.to) == [TestServer.two, TestServer.three])
        #expect(
            (commit.appends(to: TestServer.two) + commit.appends(to: TestServer.three))
                .allSatisfy {
                    $0.entries.isEmpty && !$0.expectsReply && $0.leaderCommit == LogIndex(2)
                })
        #expect(server.acknowledge(through: 2, from: TestServer.three).sendNow.isEmpty)
    }

    @Test(
        "an entry is committed once a majority has it durably, the leader not counted early (C18)")
    func commitNeedsMajority() throws {
        var server = try TestServer.servingLeader(size: 5)
        server.propose([1])
        server.acknowledge(through: 2, from: TestServer.two)
        server.acknowledge(through: 2, from: TestServer.three)
        #expect(server.raft.commitIndex == LogIndex(1))
        #expect(server.persisted().apply.map(\.index) == [LogIndex(2)])
    }

    @Test("a majority of followers commits without the leader's own slow disk (C18)")
    func slowLeaderDisk() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        server.acknowledge(through: 2, from: TestServer.two)
        let effects = server.acknowledge(through: 2, from: TestServer.three)
        #expect(effects.apply.map(\.index) == [LogIndex(2)])
    }

    @Test(
        "entries of earlier terms commit below one of its own, never by counting (§5.4.2)"
    )
    func oldTermEntries() throws {
        var server = try TestServer.leader(term: 4, terms: [1, 2])
        server.acknowledge(through: 2, from: TestServer.two)
        server.acknowledge(through: 2, from: TestServer.three)
        server.persisted()
        #expect(server.raft.commitIndex == .zero)
        let effects = server.acknowledge(through: 3, from: TestServer.two)
        #expect(effects.apply.map(\.index) == [LogIndex(1), LogIndex(2), LogIndex(3)])
    }

    @Test("after a mismatch the leader resumes where the logs can match, a term at a time (§5.3)")
    func backtracking() throws {
        var server = try TestServer.leader(term: 6, terms: [1, 1, 1, 4, 4, 5, 5, 5])
        let mismatch = AppendEntriesReply(
            result: .mismatch(
                rejectedPrevLogIndex: LogIndex(8), hintIndex: LogIndex(7), hintTerm: Term(3)),
            readRound: 0)
        let effects = server.receive(.appendEntriesReply(mismatch), term: 6)
        let append = effects.appends(to: TestServer.two).first
        #expect(append?.prevLogIndex == LogIndex(3))
        #expect(append?.entries.first?.index == LogIndex(4))
    }

    @Test("a late or repeated mismatch says nothing about the follower of today (B21)")
    func staleMismatch() throws {
        var server = try TestServer.servingLeader(term: 2, terms: [1, 1])
        let mismatch = AppendEntriesReply(
            result: .mismatch(rejectedPrevLogIndex: LogIndex(2), hintIndex: .zero, hintTerm: .zero),
            readRound: 0)
        let effects = server.receive(.appendEntriesReply(mismatch), term: 2)
        #expect(effects.sendNow.isEmpty)
        #expect(server.raft.status.followers.first?.matchIndex == LogIndex(3))
    }

    @Test("a follower that lost its disk counts for less, and gets everything again (D16)")
    func lostDisk() throws {
        var server = try TestServer.servingLeader(term: 2, terms: [1, 1])
        server.step(.peerUnreachable(TestServer.two))
        let probe = server.step(.peerReachable(TestServer.two))
        #expect(probe.appends(to: TestServer.two).first?.prevLogIndex == LogIndex(3))
        let mismatch = AppendEntriesReply(
            result: .mismatch(rejectedPrevLogIndex: LogIndex(3), hintIndex: .zero, hintTerm: .zero),
            readRound: 0)
        let effects = server.receive(.appendEntriesReply(mismatch), term: 2)
        let isAlarmed = effects.decisions.contains { $0.isAlarming }
        #expect(isAlarmed)
        #expect(server.raft.status.followers.first?.matchIndex == .zero)
        let append = effects.appends(to: TestServer.two).first
        #expect(append?.prevLogIndex == .zero)
        #expect(append?.entries.map { $0.index.rawValue } == [1, 2, 3])
        #expect(server.raft.commitIndex == LogIndex(3))
    }

    @Test("a commit is announced at once only where somebody waits for it")
    func commitNotices() throws {
        var server = try TestServer.servingLeader(term: 2)
        func acknowledge(_ index: UInt64, from server: ServerID, waits: Bool) -> Input {
            let reply = AppendEntriesReply(
                result: .matched(LogIndex(index)), readRound: 0, awaitsCommit: waits)
            return .received(
                Message(from: server, term: Term(2), body: .appendEntriesReply(reply)))
        }
        server.step(acknowledge(1, from: TestServer.three, waits: false))
        server.step(.propose([Proposal(id: ProposalID(1), payload: [1])]))
        server.persisted()
        let commit = server.step(acknowledge(2, from: TestServer.two, waits: true))
        #expect(commit.appends(to: TestServer.two).map { $0.leaderCommit } == [LogIndex(2)])
        #expect(commit.appends(to: TestServer.three).isEmpty)
        // Somebody asked there meanwhile: its next answer fetches the notice.
        let late = server.step(acknowledge(2, from: TestServer.three, waits: true))
        #expect(late.appends(to: TestServer.three).map { $0.leaderCommit } == [LogIndex(2)])
    }

    @Test("a follower says whether somebody waits for a commit")
    func awaitsCommit() throws {
        var server = try TestServer.follower()
        for waits in [true, false] {
            server.raft.awaitsCommit = waits
            let effects = server.receive(
                .appendEntries(.heartbeat(after: 0, term: 0)), term: 1)
            let replies = effects.sendNow.compactMap { envelope -> Bool? in
                guard case .appendEntriesReply(let reply) = envelope.message.body else {
                    return nil
                }
                return reply.awaitsCommit
            }
            #expect(replies == [waits])
        }
    }

    @Test("answers of another term cannot raise matchIndex (C7, M14)")
    func staleAcknowledgement() throws {
        var server = try TestServer.leader(term: 4, terms: [1, 2])
        let reply = AppendEntriesReply(result: .matched(LogIndex(3)), readRound: 0)
        server.receive(.appendEntriesReply(reply), term: 3)
        #expect(server.raft.status.followers.first?.matchIndex == .zero)
    }

    @Test("an acknowledgement beyond the leader's own log is ignored")
    func absurdAcknowledgement() throws {
        var server = try TestServer.servingLeader()
        server.acknowledge(through: 99, from: TestServer.two)
        #expect(server.raft.status.followers.first?.matchIndex == LogIndex(1))
    }

    @Test("a probed follower gets one message until it answers, a matching one a pipeline")
    func probeThenPipeline() throws {
        var settings = RaftSettings()
        settings.maximumInFlightAppends = 2
        var server = try TestServer.leader(settings: settings)
        #expect(server.propose([1]).appends(to: TestServer.two).isEmpty)
        let effects = server.acknowledge(through: 1, from: TestServer.two)
        #expect(effects.appends(to: TestServer.two).map(\.entries.count) == [1])
        #expect(server.propose([2]).appends(to: TestServer.two).map(\.entries.count) == [1])
        #expect(server.propose([3]).appends(to: TestServer.two).isEmpty)
        let more = server.acknowledge(through: 2, from: TestServer.two)
        #expect(more.appends(to: TestServer.two).map(\.entries.count) == [1])
    }

    @Test("bytes in flight to one follower are bounded")
    func inFlightBytes() throws {
        var settings = RaftSettings()
        settings.maximumBytesPerAppend = 10
        settings.maximumInFlightBytes = 20
        var server = try TestServer.servingLeader(settings: settings)
        let payload = [UInt8](repeating: 1, count: 10)
        let effects = server.propose(payload, payload, payload, payload)
        // Contiguous messages of one batch are merged only within the limits.
        #expect(effects.appends(to: TestServer.two).map(\.entries.count) == [1, 1])
        let more = server.acknowledge(through: 2, from: TestServer.two)
        #expect(more.appends(to: TestServer.two).map(\.entries.count) == [1])
    }

    @Test("heartbeats go out in every interval and find out what was lost (§5.2)")
    func heartbeats() throws {
        var server = try TestServer.servingLeader()
        server.propose([1])
        let effects = server.wait(milliseconds: 50)
        let heartbeat = effects.appends(to: TestServer.two).first
        #expect(heartbeat?.prevLogIndex == LogIndex(2))
        #expect(heartbeat?.expectsReply == true)
        let mismatch = AppendEntriesReply(
            result: .mismatch(
                rejectedPrevLogIndex: LogIndex(2), hintIndex: LogIndex(1), hintTerm: Term(1)),
            readRound: 0)
        let resent = server.receive(.appendEntriesReply(mismatch), term: 1)
        #expect(resent.appends(to: TestServer.two).first?.entries.map(\.index) == [LogIndex(2)])
    }

    @Test("uncommitted bytes are bounded: more is refused as overloaded, until some commit")
    func overload() throws {
        var settings = RaftSettings()
        settings.maximumUncommittedBytes = 5
        var server = try TestServer.servingLeader(settings: settings)
        let effects = server.propose([1, 2, 3], [4, 5], [6])
        #expect(effects.proposals.last?.result == .refused(.overloaded))
        #expect(effects.persist?.append.count == 2)
        server.persisted()
        server.acknowledge(through: 3, from: TestServer.two)
        #expect(server.propose([6]).proposals.first?.result == .appended(LogIndex(4), Term(1)))
    }

    @Test("a payload that is too long is refused by itself")
    func longPayload() throws {
        var server = try TestServer.servingLeader()
        let long = [UInt8](repeating: 0, count: Entry.maximumPayloadBytes + 1)
        let effects = server.propose([1], long, [2])
        #expect(effects.persist?.append.count == 2)
        #expect(
            effects.proposals.map(\.id.rawValue).sorted() == [1, 2, 3])
    }

    @Test("servers that do not lead refuse proposals and name the leader (§8)")
    func followerRefuses() throws {
        var server = try TestServer.follower()
        let effects = server.propose([1])
        #expect(
            effects.proposals.map(\.result) == [.refused(.notLeader(leader: TestServer.two))])
    }
}
