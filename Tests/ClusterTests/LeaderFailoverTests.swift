import ClusterHarness
import Foundation
import LatchAPI
import Testing

extension FailoverTests {
    @Suite("Leaders and followers that die or freeze (T4, T5, T6, P4, L1)", .serialized)
    struct LeaderFailoverTests {
        private func underLoad(
            _ body: (TestCluster, Workload) async throws -> Void
        ) async throws {
            try await TestCluster.withCluster { cluster in
                try await Workload.run(on: cluster, seed: 7) { workload in
                    try await workload.progress()
                    try await body(cluster, workload)
                    try await workload.finishWriting()
                    let violations = try await workload.verdict()
                    #expect(violations == [])
                    try await cluster.agreement()
                }
            }
        }

        @Test("kill -9 of the leader under load: another leads at once, and nothing is lost")
        func killLeader() async throws {
            try await underLoad { cluster, workload in
                var silences: [Duration] = []
                for _ in 0..<2 {
                    let leader = try await cluster.leader()
                    let start = ContinuousClock.now
                    await cluster.kill(leader)
                    try await workload.progress()
                    silences.append(workload.longestSilence(since: start))
                    let next = try await cluster.leader()
                    #expect(next != leader)
                    try await cluster.start(leader)
                    try await cluster.catchUp(leader)
                }
                print("leader killed: silences \(silences)")
                // Generous: a debug build shares two cores with the load and other tests.
                #expect(silences.allSatisfy { $0 < .seconds(3) })
            }
        }

        @Test(
            "T4: a frozen leader is replaced; when it wakes it steps down and answers nothing old")
        func freezeLeader() async throws {
            try await underLoad { cluster, workload in
                let old = try await cluster.leader()
                let term = try await cluster.status(of: old).node.currentTerm
                try await NodeConnection.withEach(of: cluster.endpoints) { connections in
                    let other = try #require(cluster.ids.first { $0 != old })
                    let caller = LatchCaller(connections[other - 1], name: "frozen")
                    try await caller.create()
                    try await caller.latch("first")
                    // The connection to the old leader is open before it freezes.
                    try await caller.moved(to: connections[old - 1]).get()

                    await cluster.signal(old, SIGSTOP)
                    let start = ContinuousClock.now
                    let new = try await cluster.leader(except: [old])
                    #expect(new != old)
                    try await caller.latch("second")
                    try await workload.progress(20)
                    // They lie in the old leader's sockets when it wakes, believing that it leads.
                    let reader = caller.moved(to: connections[old - 1])
                    async let get = reader.get(requestID: 0)
                    async let own = AtomixAttempt(connections[old - 1], timeout: .seconds(10))
                        .getLatch("frozen", namespace: caller.namespace)
                    try await pass(.seconds(2), since: start)
                    await cluster.signal(old, SIGCONT)
                    let (seen, shown) = try await (get, own)
                    #expect(seen.header.status == .ok)
                    #expect(seen.latch.participants == ["first", "second"])
                    #expect(shown.latch.state.participants == ["first", "second"])
                    let status = try await cluster.catchUp(old)
                    #expect(status.currentTerm > term)
                    #expect(status.role != .leader)
                    try await workload.progress()
                    try await #expect(caller.keepAlive().header.status == .ok)
                }
            }
        }

        @Test("T5: a frozen follower disturbs nobody, and catches up when it wakes")
        func freezeFollower() async throws {
            try await underLoad { cluster, workload in
                let leader = try await cluster.leader()
                let term = try await cluster.status(of: leader).node.currentTerm
                let follower = try #require(cluster.ids.first { $0 != leader })
                await cluster.signal(follower, SIGSTOP)
                let start = ContinuousClock.now
                try await workload.progress()
                try await pass(.seconds(1), since: start)
                let goal = try await cluster.status(of: leader).node.commitIndex
                await cluster.signal(follower, SIGCONT)
                try await cluster.catchUp(follower, to: goal)
                try await workload.progress()
                let node = try await cluster.status(of: leader).node
                #expect(node.role == .leader)
                #expect(node.currentTerm == term)
            }
        }

        @Test("P4: a follower that dies again and again, young or old, disturbs nobody")
        func crashLoop() async throws {
            try await underLoad { cluster, workload in
                let leader = try await cluster.leader()
                let term = try await cluster.status(of: leader).node.currentTerm
                let follower = try #require(cluster.ids.first { $0 != leader })
                for life in 0..<6 {
                    if life == 3 {
                        // Not handled, so as deadly as SIGKILL (P9).
                        try await cluster.catchUp(follower)
                        await cluster.signal(follower, SIGHUP)
                        try await #expect(cluster.exitCode(of: follower) == 128 + SIGHUP)
                    } else {
                        await cluster.kill(follower)
                    }
                    try await workload.progress(10)
                    try await cluster.start(follower)
                    try await workload.progress(1 + 5 * life)
                }
                try await cluster.catchUp(follower)
                let node = try await cluster.status(of: leader).node
                #expect(node.role == .leader)
                #expect(node.currentTerm == term)
            }
        }

        @Test("T6: when all nodes pause longer than a session's timeout, sessions survive")
        func freezeAll() async throws {
            try await underLoad { cluster, workload in
                try await NodeConnection.withEach(of: cluster.endpoints) { connections in
                    let callers = connections.map { LatchCaller($0, name: "paused") }
                    for caller in callers { try await caller.create(timeout: 2_000) }
                    for id in cluster.ids { await cluster.signal(id, SIGSTOP) }
                    let start = ContinuousClock.now
                    try await pass(.seconds(3), since: start)
                    for id in cluster.ids { await cluster.signal(id, SIGCONT) }
                    for caller in callers {
                        try await #expect(caller.keepAlive().header.status == .ok)
                    }
                }
                _ = try await cluster.leader()
                try await workload.progress()
            }
        }
    }
}

/// Waits until `duration` has passed since `start`: for faults that must last a while.
func pass(_ duration: Duration, since start: ContinuousClock.Instant) async throws {
    let seconds = Double(duration.components.seconds) + 5
    _ = try await eventually("\(duration)", within: seconds) {
        ContinuousClock.now - start >= duration ? true : nil
    }
}
