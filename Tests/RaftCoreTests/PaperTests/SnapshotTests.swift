import BinaryCoding
import RaftCore
import Testing

@Suite("Snapshots and log compaction (§7, Figure 13)")
struct SnapshotTests {
    private static let data: [UInt8] = Array(0..<100)

    private static func chunk(
        at index: UInt64 = 5, term: UInt64 = 2, _ range: Range<Int>, of data: [UInt8] = data,
        checksum: UInt32? = nil
    ) -> Message.Body {
        .installSnapshot(
            InstallSnapshot(
                lastIncludedIndex: LogIndex(index), lastIncludedTerm: Term(term),
                totalBytes: UInt64(data.count), checksum: checksum ?? CRC32C.checksum(data),
                offset: UInt64(range.lowerBound), chunk: Array(data[range])))
    }

    private static func settings(kept: Int = 0, chunk: Int = 40) -> RaftSettings {
        var settings = RaftSettings()
        settings.entriesKeptBehindSnapshot = kept
        settings.snapshotChunkBytes = chunk
        return settings
    }

    /// A leader of term 2 whose log begins after a durable snapshot of its first four entries.
    private static func compactedLeader() throws -> TestServer {
        var server = try TestServer.servingLeader(
            term: 2, terms: [1, 1, 1], settings: settings())
        server.step(
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: LogIndex(4), lastIncludedTerm: Term(2), data: data)))
        server.persisted()
        return server
    }

    @Test(
        "the log before a snapshot is deleted once the snapshot is durable, never earlier (§7, D4)")
    func compaction() throws {
        var server = try TestServer.servingLeader(
            term: 2, terms: [1, 1, 1], settings: Self.settings(kept: 1))
        let snapshot = Snapshot(
            lastIncludedIndex: LogIndex(4), lastIncludedTerm: Term(2), data: Self.data)
        let effects = server.step(.snapshotTaken(snapshot))
        #expect(effects.persist?.snapshot == snapshot)
        #expect(effects.persist?.purgeThrough == LogIndex(3))
        #expect(server.raft.log.firstIndex == LogIndex(1))
        server.persisted()
        #expect(server.raft.log.firstIndex == LogIndex(4))
        #expect(server.raft.status.snapshotIndex == LogIndex(4))
    }

    @Test(
        "a snapshot that is not of this server's applied past is not used",
        arguments: [(9, 2), (4, 1), (0, 0)] as [(UInt64, UInt64)])
    func foreignSnapshot(index: UInt64, term: UInt64) throws {
        var server = try TestServer.servingLeader(term: 2, terms: [1, 1, 1])
        let effects = server.step(
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: LogIndex(index), lastIncludedTerm: Term(term), data: [])))
        #expect(effects.persist == nil)
        #expect(server.raft.snapshot == nil)
    }

    @Test("a follower whose next entry is compacted gets the snapshot, chunk by chunk (C10, C11)")
    func leaderSendsChunks() throws {
        var server = try Self.compactedLeader()
        server.step(.peerUnreachable(TestServer.two), .peerReachable(TestServer.two))
        // The follower lost its disk's tail: nothing matches.
        var lagging = try TestServer.leader(
            term: 3, terms: [1, 1, 2], settings: Self.settings())
        lagging.persisted()
        lagging.acknowledge(through: 4, from: TestServer.three)
        lagging.step(
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: LogIndex(4), lastIncludedTerm: Term(3), data: Self.data)))
        lagging.persisted()
        let mismatch = AppendEntriesReply(
            result: .mismatch(rejectedPrevLogIndex: LogIndex(3), hintIndex: .zero, hintTerm: .zero),
            readRound: 0)
        var effects = lagging.receive(.appendEntriesReply(mismatch), term: 3)
        #expect(effects.appends(to: TestServer.two).isEmpty)
        var received: [UInt8] = []
        while let chunk = effects.chunks.first {
            #expect(chunk.offset == UInt64(received.count) && chunk.totalBytes == 100)
            received += chunk.chunk
            let result: InstallSnapshotReply.Result =
                received.count < 100
                ? .expecting(offset: UInt64(received.count)) : .installed(matchIndex: LogIndex(4))
            effects = lagging.receive(
                .installSnapshotReply(
                    InstallSnapshotReply(lastIncludedIndex: LogIndex(4), result: result)),
                term: 3)
        }
        #expect(received == Self.data)
        let follower = lagging.raft.status.followers.first
        #expect(follower?.mode == .replicate && follower?.matchIndex == LogIndex(4))
    }

    @Test(
        "a full window of lost messages, compacted meanwhile, is made up for by the snapshot (C10)")
    func compactedWhileInFlight() throws {
        var settings = Self.settings()
        settings.maximumInFlightAppends = 1
        var server = try TestServer.servingLeader(term: 1, settings: settings)
        // This message never arrives, and no other may follow it.
        server.propose([1])
        server.propose([2])
        server.persisted()
        server.acknowledge(through: 2, from: TestServer.three)
        server.acknowledge(through: 3, from: TestServer.three)
        server.step(
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: LogIndex(3), lastIncludedTerm: Term(1), data: Self.data)))
        server.persisted()
        #expect(server.raft.log.firstIndex == LogIndex(4))
        let effects = server.wait(milliseconds: 50)
        #expect(effects.chunks.map(\.lastIncludedIndex) == [LogIndex(3)])
        #expect(server.raft.status.followers.first?.mode == .snapshot)
    }

    @Test("while a snapshot is sent, heartbeats claim nothing about the log (B05, M28)")
    func heartbeatsDuringSnapshot() throws {
        var server = try TestServer.leader(term: 3, terms: [1, 1, 2], settings: Self.settings())
        server.persisted()
        server.acknowledge(through: 4, from: TestServer.three)
        server.step(
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: LogIndex(4), lastIncludedTerm: Term(3), data: Self.data)))
        server.persisted()
        let mismatch = AppendEntriesReply(
            result: .mismatch(rejectedPrevLogIndex: LogIndex(3), hintIndex: .zero, hintTerm: .zero),
            readRound: 0)
        server.receive(.appendEntriesReply(mismatch), term: 3)
        let first = server.wait(milliseconds: 50)
        #expect(first.chunks.isEmpty)
        #expect(first.appends(to: TestServer.two).map(\.prevLogIndex) == [.zero])
        #expect(server.wait(milliseconds: 50).chunks.map(\.offset) == [0])
    }

    @Test("chunks are assembled, checked, made durable and only then acknowledged (Figure 13)")
    func install() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 1])
        #expect(
            server.receive(Self.chunk(0..<60), term: 3).snapshotReplies
                == [.expecting(offset: 60)])
        let effects = server.receive(Self.chunk(60..<100), term: 3)
        let snapshot = Snapshot(
            lastIncludedIndex: LogIndex(5), lastIncludedTerm: Term(2), data: Self.data)
        #expect(effects.persist?.snapshot == snapshot)
        #expect(effects.persist?.resetsLog == true)
        #expect(effects.restore == snapshot)
        #expect(effects.sendNow.isEmpty)
        #expect(effects.snapshotReplies == [.installed(matchIndex: LogIndex(5))])
        #expect(server.raft.commitIndex == LogIndex(5) && server.lastIndex == 5)
        let next = server.receive(.appendEntries(.entries([3], after: 5, term: 2)), term: 3)
        #expect(next.persist?.append.map(\.index) == [LogIndex(6)])
    }

    @Test("entries after a snapshot's last one stay if it is in the log (Figure 13, step 6)")
    func keepsSuffix() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 1, 2, 2, 2, 3])
        let effects = server.receive(Self.chunk(0..<100), term: 3)
        #expect(effects.persist?.resetsLog == false)
        #expect(server.lastIndex == 6 && server.raft.commitIndex == LogIndex(5))
    }

    @Test("a log that conflicts with a snapshot is discarded whole (Figure 13, step 7; M23)")
    func discardsConflict() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 1, 1, 1, 1, 1, 1])
        let effects = server.receive(Self.chunk(0..<100), term: 3)
        #expect(effects.persist?.resetsLog == true)
        #expect(server.lastIndex == 5)
    }

    @Test("chunks that come twice, too early or from the middle never spoil a snapshot (C12)")
    func strayChunks() throws {
        var server = try TestServer.follower(term: 3)
        #expect(
            server.receive(Self.chunk(40..<80), term: 3).snapshotReplies == [.expecting(offset: 0)])
        server.receive(Self.chunk(0..<40), term: 3)
        #expect(
            server.receive(Self.chunk(0..<40), term: 3).snapshotReplies == [.expecting(offset: 40)])
        #expect(
            server.receive(Self.chunk(80..<100), term: 3).snapshotReplies
                == [.expecting(offset: 40)])
        server.receive(Self.chunk(40..<80), term: 3)
        #expect(server.receive(Self.chunk(80..<100), term: 3).restore?.data == Self.data)
    }

    @Test("the next leader continues where the last one stopped")
    func resumesAcrossLeaders() throws {
        var server = try TestServer.follower(term: 3)
        server.receive(Self.chunk(0..<40), term: 3)
        let effects = server.receive(Self.chunk(0..<40), from: TestServer.three, term: 4)
        #expect(effects.snapshotReplies == [.expecting(offset: 40)])
    }

    @Test("a snapshot with a wrong checksum is thrown away and asked for anew")
    func wrongChecksum() throws {
        var server = try TestServer.follower(term: 3)
        let effects = server.receive(Self.chunk(0..<100, checksum: 1), term: 3)
        #expect(effects.restore == nil && effects.persist == nil)
        #expect(effects.snapshotReplies == [.expecting(offset: 0)])
    }

    @Test("a snapshot that is not newer than what is committed is answered, not installed (C13)")
    func oldSnapshot() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 2, 2, 2, 2])
        server.receive(.appendEntries(.heartbeat(after: 5, term: 2, commit: 5)), term: 3)
        let effects = server.receive(Self.chunk(0..<100), term: 3)
        #expect(effects.restore == nil)
        #expect(effects.snapshotReplies == [.installed(matchIndex: LogIndex(5))])
    }

    @Test("InstallSnapshot of a past term is refused, with the current term (§5.1)")
    func staleTerm() throws {
        var server = try TestServer.follower(term: 3)
        let effects = server.receive(Self.chunk(0..<100), term: 2)
        #expect(effects.restore == nil)
        #expect(effects.allMessages.map(\.term) == [Term(3)])
    }

    @Test(
        "a batch that applies entries and installs a snapshot restores, and applies nothing twice")
    func installAfterApply() throws {
        var server = try TestServer.follower(term: 3, terms: [1, 1])
        let heartbeat = AppendEntries.heartbeat(after: 2, term: 1, commit: 2)
        func message(_ body: Message.Body) -> Input {
            .received(Message(from: TestServer.two, term: Term(3), body: body))
        }
        let effects = server.step(
            message(.appendEntries(heartbeat)), message(Self.chunk(0..<100)),
            message(.appendEntries(.entries([3], after: 5, term: 2, commit: 6))))
        #expect(effects.restore != nil)
        #expect(effects.apply.map(\.index) == [LogIndex(6)])
        #expect(effects.persist?.append.map(\.index) == [LogIndex(6)])
        #expect(effects.persist?.resetsLog == true)
    }

    @Test("a restarted server counts its snapshot as committed and applied")
    func restart() throws {
        let server = try TestServer(
            restoring: PersistentState(
                currentTerm: Term(2),
                snapshot: Snapshot(
                    lastIncludedIndex: LogIndex(3), lastIncludedTerm: Term(1), data: []),
                entries: TestServer.entries(terms: [1, 1, 2], from: 2)))
        #expect(server.raft.commitIndex == LogIndex(3))
        #expect(server.raft.lastApplied == LogIndex(3))
        #expect(server.lastIndex == 4)
    }

    @Test("a killed follower of a compacted cluster catches up by snapshot, then by entries")
    func wholeCluster() throws {
        var cluster = try TestCluster(settings: Self.settings(chunk: 8))
        let first = cluster.elect()
        let leader = try #require(first)
        let victim = try #require(cluster.ids.first { $0 != leader })
        cluster.crash(victim)
        for number in 1...20 {
            cluster.step(
                leader,
                .propose([Proposal(id: ProposalID(UInt64(number)), payload: [UInt8(number)])]))
            cluster.settle()
        }
        cluster.takeSnapshot(leader)
        cluster.settle()
        try cluster.restart(victim)
        cluster.run(milliseconds: 2_000)
        #expect(cluster.machines[victim]?.applied == cluster.machines[leader]?.applied)
        #expect(cluster.machines[victim]?.disk.snapshot != nil)
        #expect(cluster.violations == [])
    }
}
