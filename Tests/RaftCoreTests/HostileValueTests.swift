import RaftCore
import Testing

@Suite("Messages no correct server sends")
struct HostileValueTests {
    private static let far = UInt64.max

    private static var bodies: [Message.Body] {
        let entry = Entry(index: LogIndex(far), term: Term(far), payload: [])
        return [
            RequestVote.vote(lastIndex: far, lastTerm: far),
            RequestVote.vote(lastIndex: far, lastTerm: 0, isPreVote: true),
            .requestVoteReply(RequestVoteReply(voteGranted: true, isPreVote: false, round: far)),
            .appendEntries(.heartbeat(after: far, term: far, commit: far)),
            .appendEntries(.heartbeat(after: far - 1, term: 1, commit: far)),
            .appendEntries(.heartbeat(after: 3, term: 0, commit: 0)),
            .appendEntries(.heartbeat(after: 0, term: 3, commit: 0)),
            .appendEntries(
                AppendEntries(
                    prevLogIndex: .zero, prevLogTerm: .zero, entries: [entry],
                    leaderCommit: LogIndex(far), readRound: far)),
            .appendEntriesReply(
                AppendEntriesReply(result: .matched(LogIndex(far)), readRound: far)),
            .appendEntriesReply(
                AppendEntriesReply(
                    result: .mismatch(
                        rejectedPrevLogIndex: LogIndex(far), hintIndex: LogIndex(far),
                        hintTerm: Term(far)), readRound: 0)),
            .appendEntriesReply(
                AppendEntriesReply(
                    result: .mismatch(
                        rejectedPrevLogIndex: .zero, hintIndex: LogIndex(9), hintTerm: Term(9)),
                    readRound: 0)),
            .installSnapshot(
                InstallSnapshot(
                    lastIncludedIndex: LogIndex(far), lastIncludedTerm: Term(far),
                    totalBytes: far, checksum: 0, offset: far, chunk: [1])),
            .installSnapshot(
                InstallSnapshot(
                    lastIncludedIndex: LogIndex(9), lastIncludedTerm: Term(1), totalBytes: 1,
                    checksum: 0, offset: 1, chunk: [1])),
            .installSnapshotReply(
                InstallSnapshotReply(
                    lastIncludedIndex: LogIndex(far), result: .expecting(offset: far))),
            .installSnapshotReply(
                InstallSnapshotReply(
                    lastIncludedIndex: LogIndex(1), result: .installed(matchIndex: LogIndex(far)))),
            .timeoutNow,
        ]
    }

    @Test("absurd terms, indexes and offsets trap in no role (C21)", arguments: [0, 1, 2, 3])
    func absurdValues(kind: Int) throws {
        for term in [0, 1, 2, 3, Self.far - 1, Self.far] {
            for body in Self.bodies {
                var server: TestServer
                switch kind {
                case 0: server = try TestServer.follower(term: 2, terms: [1, 2])
                case 1: server = try TestServer.candidate(term: 2, terms: [1])
                case 2: server = try TestServer.servingLeader(term: 2, terms: [1])
                default:  // default: open set, an Int
                    server = try TestServer.follower(term: 2)
                    server.wait(milliseconds: 601)
                }
                // Two leaders in one term is no absurd value but a broken promise: that traps.
                if kind == 2, term == 2, body.isOfLeader { continue }
                server.receive(body, term: term)
                server.receive(body, term: term)
                server.waitForTimer()
                #expect(server.raft.currentTerm < Term(1 << 62))
            }
        }
    }

    @Test("strangers, and servers that claim to be this one, are not listened to (N14)")
    func strangers() throws {
        var server = try TestServer()
        let strange = server.receive(RequestVote.vote(), from: ServerID(9), term: 5)
        #expect(
            strange.decisions == [.ignoredMessage(from: ServerID(9), reason: .unknownSender)])
        let own = server.receive(RequestVote.vote(), from: ServerID(1), term: 5)
        #expect(own.decisions == [.ignoredMessage(from: ServerID(1), reason: .claimsToBeUs)])
        #expect(server.raft.currentTerm == .zero)
    }

    @Test(
        "entries that are no slice of a log are not stored",
        arguments: [
            [(2, 1)], [(1, 1), (3, 1)], [(1, 2), (2, 1)], [(1, 9)], [(1, 0)], [(0, 1)],
        ] as [[(UInt64, UInt64)]])
    func brokenEntries(_ entries: [(index: UInt64, term: UInt64)]) throws {
        var server = try TestServer.follower(term: 2)
        let append = AppendEntries(
            prevLogIndex: .zero, prevLogTerm: .zero,
            entries: entries.map {
                Entry(index: LogIndex($0.index), term: Term($0.term), payload: [])
            },
            leaderCommit: LogIndex(1), readRound: 0)
        let effects = server.receive(.appendEntries(append), term: 2)
        #expect(
            effects.decisions
                == [.ignoredMessage(from: TestServer.two, reason: .malformedEntries)])
        #expect(server.lastIndex == 0)
    }

    @Test("a state that no server can have written is refused at the start")
    func brokenStates() throws {
        func failure(_ state: PersistentState, id: UInt16 = 1) -> RestoreFailure? {
            do {
                _ = try Raft(
                    id: ServerID(id), configuration: ClusterConfiguration(voters: [ServerID(1)]),
                    settings: RaftSettings(), seed: 1, restoring: state,
                    at: Instant(milliseconds: 0))
                return nil
            } catch {
                return error
            }
        }
        let snapshot = Snapshot(
            lastIncludedIndex: LogIndex(3), lastIncludedTerm: Term(1), data: [])
        func state(_ entries: [Entry], _ snapshot: Snapshot? = nil, term: UInt64 = 2)
            -> PersistentState
        {
            PersistentState(currentTerm: Term(term), snapshot: snapshot, entries: entries)
        }
        let one = TestServer.entries(terms: [1])
        #expect(failure(state(one)) == nil)
        #expect(failure(state(one), id: 4) == .notAMember(ServerID(4)))
        #expect(failure(state(one + TestServer.entries(terms: [1], from: 3))) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [2, 1]))) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [1], from: 2))) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [1], from: 5), snapshot)) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [1], from: 4), snapshot)) == nil)
        #expect(failure(state(TestServer.entries(terms: [1], from: 2), snapshot)) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [1, 2], from: 2), snapshot)) == .brokenLog)
        #expect(failure(state(TestServer.entries(terms: [1, 1], from: 2), snapshot)) == nil)
        #expect(failure(state(one, term: 0)) == .termBehindLog)
        #expect(failure(state([], nil, term: .max)) == .absurdValue)
    }
}

extension Message.Body {
    fileprivate var isOfLeader: Bool {
        switch self {
        case .appendEntries, .installSnapshot: true
        case .requestVote, .requestVoteReply, .appendEntriesReply, .installSnapshotReply,
            .timeoutNow:
            false
        }
    }
}
