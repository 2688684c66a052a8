import RaftCore
import Testing

/// The full simulator lives elsewhere; this one guards the core against its own careless changes.
@Suite("Random clusters")
struct RandomClusterTests {
    private static var settings: RaftSettings {
        var settings = RaftSettings()
        settings.maximumEntriesPerAppend = 3
        settings.maximumInFlightAppends = 4
        settings.snapshotChunkBytes = 16
        settings.entriesKeptBehindSnapshot = 2
        return settings
    }

    @Test(
        "lossy networks, slow disks and crashes never make two servers apply different entries",
        arguments: 0..<40)
    func safetyThenLiveness(seed: Int) throws {
        let size = [1, 3, 3, 5][seed % 4]
        try run(try TestCluster(size: size, seed: UInt64(seed), settings: Self.settings), seed)
    }

    /// Nobody promises anybody to wait for a time: timeouts decide how soon an election comes, and
    /// nothing else.
    @Test(
        "servers with different timeouts elect one leader a term and read nothing old (O9)",
        arguments: 0..<20)
    func mixedTimeouts(seed: Int) throws {
        let size = [3, 5][seed % 2]
        var own: [ServerID: RaftSettings] = [:]
        for number in 1...UInt16(size) {
            let factor = UInt64([1, 2, 4][(Int(number) + seed) % 3])
            var settings = Self.settings
            settings.heartbeatIntervalMilliseconds = 30 * factor
            settings.electionTimeoutMilliseconds = (150 * factor)...(300 * factor)
            own[ServerID(number)] = settings
        }
        try run(try TestCluster(size: size, seed: UInt64(seed), ownSettings: own), seed)
    }

    /// Disturbs a cluster, checks all the while that it is safe, heals it, and checks that it
    /// serves.
    private func run(_ disturbed: TestCluster, _ seed: Int) throws {
        var cluster = disturbed
        var nextProposal: UInt64 = 0
        for _ in 0..<3_000 {
            try disturb(&cluster, &nextProposal)
            guard cluster.violations.isEmpty else { break }
        }
        #expect(cluster.violations == [], "seed \(seed)")

        for id in cluster.ids where cluster.machines[id]?.isDown == true {
            try cluster.restart(id)
        }
        cluster.isCut = { _, _ in false }
        cluster.run(milliseconds: 5_000)
        let elected = cluster.elect()
        let leader = try #require(elected, "no leader after healing, seed \(seed)")
        cluster.step(leader, .propose([Proposal(id: ProposalID(.max), payload: [7])]))
        cluster.step(leader, .read(ReadID(.max)))
        cluster.run(milliseconds: 500)
        #expect(cluster.violations == [], "seed \(seed)")
        let applied = cluster.ids.compactMap { cluster.machines[$0]?.applied }
        #expect(applied.allSatisfy { $0 == applied[0] && $0.last?.payload == [7] }, "seed \(seed)")
        let grant = cluster.reads.last { $0.id == ReadID(.max) }
        guard case .granted = grant?.result else {
            Issue.record("the read is not granted, seed \(seed)")
            return
        }
    }

    /// One random event of any kind.
    private func disturb(_ cluster: inout TestCluster, _ nextProposal: inout UInt64) throws {
        func draw(_ bound: Int) -> Int { Int(cluster.generator.draw(upTo: UInt64(bound - 1))) }
        let id = cluster.ids[draw(cluster.ids.count)]
        let other = cluster.ids[draw(cluster.ids.count)]
        switch draw(100) {
        case 0..<50:
            guard !cluster.network.isEmpty else { fallthrough }
            let position = draw(min(cluster.network.count, 6))
            if draw(20) == 0 { cluster.network.append(cluster.network[position]) }
            if draw(25) == 0 {
                cluster.network.remove(at: position)
            } else {
                cluster.deliver(at: position)
            }
        case 50..<70:
            cluster.write(id, count: 1 + draw(3))
        case 70..<82:
            cluster.now = cluster.now.advanced(byMilliseconds: UInt64(draw(60)))
            for id in cluster.ids
            where cluster.machines[id]?.raft.deadline ?? cluster.now <= cluster.now {
                cluster.step(id, .timerFired)
            }
        case 82..<90:
            nextProposal += 1
            let payload = [UInt8(truncatingIfNeeded: nextProposal)]
            cluster.step(
                id, .propose([Proposal(id: ProposalID(nextProposal), payload: payload)]),
                .read(ReadID(nextProposal)))
        case 90:
            cluster.crash(id)
        case 91, 92, 93:
            if cluster.machines[id]?.isDown == true { try cluster.restart(id) }
        case 94:
            cluster.takeSnapshot(id)
        case 95:
            cluster.step(id, .transferLeadership(to: nil))
        case 96:
            cluster.step(id, .peerUnreachable(other))
        case 97:
            cluster.step(id, .peerReachable(other))
        case 98:
            cluster.isCut = { $0 == id || $1 == other }
        case 99:
            cluster.isCut = { _, _ in false }
        default:  // default: open set, an Int
            break
        }
    }

    @Test("the same seed gives the same history")
    func determinism() throws {
        func history() throws -> [Entry] {
            var cluster = try TestCluster(size: 3, seed: 99, settings: Self.settings)
            var nextProposal: UInt64 = 0
            for _ in 0..<2_000 { try disturb(&cluster, &nextProposal) }
            return cluster.ids.flatMap { cluster.machines[$0]?.applied ?? [] }
        }
        let first = try history()
        #expect(!first.isEmpty)
        #expect(try history() == first)
    }
}
