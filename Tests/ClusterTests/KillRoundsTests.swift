import ClusterHarness
import Foundation
import LatchAPI
import SeededRandom
import Testing

extension FailoverTests {
    @Suite("Rounds of kill -9 under load (P1, P2, P3, L1, C14)", .serialized)
    struct KillRoundsTests {
        /// `LATCH_KILL_ROUNDS`: so many rounds kill one node; a sixth of that more kill all.
        private static let rounds = ProcessInfo.processInfo.environment["LATCH_KILL_ROUNDS"]
            .flatMap { Int($0) }
        private static let seed =
            ProcessInfo.processInfo.environment["LATCH_SEED"].flatMap { UInt64($0) }
            ?? UInt64.random(in: 0..<1_000_000)

        @Test("nothing acknowledged is lost or applied twice, tokens only grow, kept sessions live")
        func killRounds() async throws {
            let (single, total) = Self.rounds.map { ($0, ($0 + 5) / 6) } ?? (5, 1)
            let seed = Self.seed
            print("kill rounds: \(single) of one node, \(total) of all, LATCH_SEED=\(seed)")
            let settings = "snapshot: {every_entries: 400, keep_entries: 50}\n"
            try await TestCluster.withCluster(extraConfiguration: settings) { cluster in
                try await Workload.run(on: cluster, seed: seed) { workload in
                    var chance = SplitMix(seed: seed)
                    try await workload.progress()
                    var plan = Array(repeating: false, count: single)
                    plan += Array(repeating: true, count: total)
                    for killsAll in plan.shuffled(using: &chance) {
                        if killsAll {
                            try await killAll(cluster, workload, &chance)
                        } else {
                            try await killOne(cluster, workload, &chance)
                        }
                        try #require(workload.violations == [], "LATCH_SEED=\(seed)")
                    }
                    try await workload.finishWriting()
                    let violations = try await workload.verdict()
                    #expect(violations == [], "LATCH_SEED=\(seed)")
                    try await cluster.agreement()
                    print("kill rounds: \(workload.summary)")
                }
            }
        }

        private func killOne(
            _ cluster: TestCluster, _ workload: Workload, _ chance: inout SplitMix
        ) async throws {
            let victim = Int.random(in: 1...3, using: &chance)
            await cluster.kill(victim)
            try await workload.progress(Int.random(in: 1...150, using: &chance))
            let leader = try await cluster.leader()
            let goal = try await cluster.status(of: leader).node.commitIndex
            try await cluster.start(victim)
            if Bool.random(using: &chance) {
                // Killed again while it starts or recovers (P3).
                try await workload.progress(Int.random(in: 0...20, using: &chance))
                await cluster.kill(victim)
                try await cluster.start(victim)
            }
            try await cluster.catchUp(victim, to: goal)
        }

        private func killAll(
            _ cluster: TestCluster, _ workload: Workload, _ chance: inout SplitMix
        ) async throws {
            let order = cluster.ids.shuffled(using: &chance)
            for id in order { await cluster.signal(id, SIGKILL) }
            for id in order { await cluster.kill(id) }
            for id in order.shuffled(using: &chance) { try await cluster.start(id) }
            _ = try await cluster.leader()
            try await workload.progress()
        }

        @Test("a killed node catches up by log when little, and by snapshot when the log is gone")
        func catchUp() async throws {
            let settings = "snapshot: {every_entries: 200, keep_entries: 20}\n"
            try await TestCluster.withCluster(extraConfiguration: settings) { cluster in
                try await Workload.run(on: cluster, seed: 1) { workload in
                    try await workload.progress(20)
                    let leader = try await cluster.leader()
                    let victim = try #require(cluster.ids.first { $0 != leader })
                    await cluster.kill(victim)
                    let before = try await lastLogIndex(of: victim, in: cluster)
                    try await cluster.start(victim)
                    try await cluster.catchUp(victim, to: before)

                    await cluster.kill(victim)
                    // The leader no longer has what the victim needs next.
                    let end = try await cluster.status(of: leader).node.lastLogIndex
                    let ahead = try await eventually("a snapshot past the victim's log") {
                        let node = try await cluster.status(of: leader).node
                        return node.snapshotIndex > end + 20 ? node : nil
                    }
                    try await cluster.start(victim)
                    let node = try await cluster.catchUp(victim, to: ahead.commitIndex)
                    #expect(node.snapshotIndex > end)
                    try await workload.finishWriting()
                    let violations = try await workload.verdict()
                    #expect(violations == [])
                    try await cluster.agreement()
                }
            }
        }

        @Test("the judge itself: a write that is lost, and a session with it, do not go unnoticed")
        func judgeNotices() async throws {
            try await TestCluster.withCluster { cluster in
                try await Workload.run(on: cluster, writers: 2, seed: 2) { workload in
                    try await workload.progress(20)
                    try await workload.finishWriting()
                    let before = try await workload.verdict()
                    #expect(before == [])
                    let name = try #require(workload.latches.first)
                    try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { connection in
                        let thief = LatchCaller(
                            connection, name: name, namespace: Workload.namespace)
                        try await thief.close(delete: true)
                        try await thief.create()
                        try await thief.latch("w0-1")
                    }
                    let after = try await workload.verdict()
                    #expect(after.contains { $0.contains("were acknowledged") })
                    #expect(after.contains { $0.contains("unknown-session") })
                    #expect(after.contains { $0.contains("stale read") || $0.contains("lost") })
                }
            }
        }

        /// What the rest of the cluster has committed by now; the killed node may lack its end.
        private func lastLogIndex(of victim: Int, in cluster: TestCluster) async throws -> UInt64 {
            let leader = try await cluster.leader(except: [victim])
            return try await cluster.status(of: leader).node.commitIndex
        }
    }
}
