import ClusterHarness
import Foundation
import LatchAPI
import Testing

extension FailoverTests {
    @Suite("When a holder's client dies (S5, S6, L1, I16)", .serialized)
    struct TakeoverTests {
        private static let timeout = Duration.milliseconds(1_500)
        /// Ticks, elections, and two busy cores.
        private static let slack = Duration.milliseconds(1_200)

        /// Lets a holder die after its third keep-alive and runs `disturb`; returns the time from
        /// sending the last keep-alive to the heir's event.
        private func takeover(
            in cluster: TestCluster, through id: Int, disturb: () async throws -> Void
        ) async throws -> Duration {
            try await NodeConnection.with(endpoint: cluster.endpoint(of: id)) { connection in
                let holder = LatchCaller(connection, name: "takeover")
                let heir = LatchCaller(connection, name: "takeover")
                try await heir.create(timeout: 60_000)
                try await holder.create(timeout: 1_500)
                let grant = try await holder.latch("holder").latch
                try await heir.latch("heir")
                return try await heir.events(index: heir.index) { frames in
                    try await frames.wait(for: 1)
                    var lastSent = ContinuousClock.now
                    for beat in 1...3 {
                        try await pass(.milliseconds(400), since: lastSent)
                        lastSent = .now
                        try await #expect(holder.keepAlive().header.status == .ok, "\(beat)")
                    }
                    try await disturb()
                    let event = try await frames.wait(for: 2)[1]
                    let taken = ContinuousClock.now - lastSent
                    #expect(event.latch.leader == "heir")
                    #expect(event.latch.participants == ["heir"])
                    #expect(event.latch.id == grant.id + 1)
                    try await #expect(holder.keepAlive().header.status == .error)
                    return taken
                }
            }
        }

        @Test("the next one holds after the timeout and not before")
        func clientDies() async throws {
            try await TestCluster.withCluster { cluster in
                let leader = try await cluster.leader()
                for id in [leader, leader % 3 + 1] {
                    let taken = try await takeover(in: cluster, through: id) {}
                    print("takeover through node \(id): \(taken)")
                    #expect(taken >= Self.timeout)
                    #expect(taken <= Self.timeout + Self.slack)
                    try await forget("takeover", cluster)
                }
            }
        }

        @Test(
            "also when the leader dies with it: not before the timeout, not after timeout and grace"
        )
        func clientAndLeaderDie() async throws {
            try await TestCluster.withCluster(extraConfiguration: "sessions: {grace: 1s}\n") {
                cluster in
                let leader = try await cluster.leader()
                let taken = try await takeover(in: cluster, through: leader % 3 + 1) {
                    await cluster.kill(leader)
                }
                print("takeover with the leader killed: \(taken)")
                #expect(taken >= Self.timeout)
                #expect(taken <= Self.timeout + .seconds(1) + Self.slack)
            }
        }

        private func forget(_ name: String, _ cluster: TestCluster) async throws {
            try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { connection in
                _ = try await LatchCaller(connection, name: name).close(delete: true)
            }
        }
    }
}
