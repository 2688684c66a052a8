import ClusterHarness
import Foundation
import GRPCCore
import LatchAPI
import LatchClient
import Testing

extension FailoverTests {
    @Suite("SIGTERM, and no leader (P8, P9, C5)", .serialized)
    struct ShutdownTests {
        @Test(
            "P8: SIGTERM of the leader under load: exit 0 in time, streams are told where to go on")
        func stopLeader() async throws {
            try await TestCluster.withCluster { cluster in
                try await Workload.run(on: cluster, seed: 3) { workload in
                    try await workload.progress()
                    let leader = try await cluster.leader()
                    try await NodeConnection.with(endpoint: cluster.endpoint(of: leader)) {
                        connection in
                        let caller = LatchCaller(connection, name: "moved")
                        try await caller.create()
                        let stream = caller.nextRequestID()
                        let (seen, address) = try await caller.events(requestID: stream) { frames in
                            try await caller.latch("before")
                            try await frames.wait(for: 2)
                            let start = ContinuousClock.now
                            await cluster.signal(leader, SIGTERM)
                            try await #expect(cluster.exitCode(of: leader, within: 6) == 0)
                            let duration = ContinuousClock.now - start
                            #expect(duration < .seconds(5))
                            try await workload.progress()
                            let silence = workload.longestSilence(since: start)
                            print("leader stopped: exit after \(duration), silence \(silence)")
                            #expect(silence < .seconds(2))
                            try await frames.waitForEnd()
                            let last = try #require(frames.frames.last)
                            #expect(last.header.status == .notLeader)
                            #expect(last.hasLatch)
                            return (frames.frames.dropLast(), last.header.leader)
                        }
                        let others = cluster.ids.filter { $0 != leader }.map(cluster.endpoint(of:))
                        #expect(others.contains(address))
                        try await goOn(caller, stream, at: address, after: Array(seen))
                    }
                    try await cluster.start(leader)
                    try await cluster.catchUp(leader)
                    try await workload.finishWriting()
                    let violations = try await workload.verdict()
                    #expect(violations == [])
                    try await cluster.agreement()
                }
            }
        }

        /// A stock client re-opens at the address with the same request id: no frame is lost (C5).
        private func goOn(
            _ caller: LatchCaller, _ stream: UInt64, at address: String,
            after seen: [Atomix_Leader_EventResponse]
        ) async throws {
            try await NodeConnection.with(endpoint: address) { connection in
                let moved = caller.moved(to: connection)
                try await moved.events(requestID: stream) { frames in
                    try await moved.latch("after")
                    let all = try await frames.wait(for: seen.count + 1)
                    #expect(Array(all.prefix(seen.count)) == seen)
                    #expect(all.map(\.header.responseID) == Array(1...UInt64(all.count)))
                    #expect(all.last?.latch.participants == ["before", "after"])
                }
            }
        }

        @Test(
            "P8, P9: a follower stops without disturbing anybody; a second SIGTERM changes nothing")
        func stopFollower() async throws {
            try await TestCluster.withCluster { cluster in
                try await Workload.run(on: cluster, seed: 4) { workload in
                    try await workload.progress()
                    let leader = try await cluster.leader()
                    let term = try await cluster.status(of: leader).node.currentTerm
                    let follower = try #require(cluster.ids.first { $0 != leader })
                    // It is ignored: a socket that closes is not the end of the process.
                    await cluster.signal(follower, SIGPIPE)
                    try await workload.progress(5)
                    await cluster.signal(follower, SIGTERM)
                    await cluster.signal(follower, SIGTERM)
                    try await #expect(cluster.exitCode(of: follower, within: 6) == 0)
                    try await workload.progress()
                    let node = try await cluster.status(of: leader).node
                    #expect(node.currentTerm == term)
                    try await cluster.start(follower)
                    try await cluster.catchUp(follower)

                    await cluster.signal(leader, SIGTERM)
                    await cluster.signal(leader, SIGTERM)
                    try await #expect(cluster.exitCode(of: leader, within: 6) == 0)
                    try await workload.progress()
                    try await workload.finishWriting()
                    try await cluster.start(leader)
                    try await cluster.catchUp(leader)
                    let violations = try await workload.verdict()
                    #expect(violations == [])
                }
            }
        }

        @Test("without a majority calls fail in time with no-leader, health says so, and it heals")
        func noLeader() async throws {
            let settings = "limits: {request_timeout: 1500ms}\n"
            try await TestCluster.withCluster(extraConfiguration: settings) { cluster in
                let survivor = try await cluster.leader()
                try await NodeConnection.with(endpoint: cluster.endpoint(of: survivor)) {
                    connection in
                    let caller = LatchCaller(connection, name: "lonely")
                    try await caller.create()
                    try await caller.latch("before")
                    let others = cluster.ids.filter { $0 != survivor }
                    for id in others { await cluster.kill(id) }
                    try await health(of: connection, becomes: .notServing)
                    try await expectNoLeader(caller, connection)
                    try await cluster.start(others[0])
                    try await health(of: connection, becomes: .serving)
                    try await #expect(caller.keepAlive().header.status == .ok)
                    // The id that failed was not used up.
                    let after = try await caller.latch("after", requestID: 2)
                    #expect(after.latch.participants == ["before", "after"])
                }
            }
        }

        private func expectNoLeader(
            _ caller: LatchCaller, _ connection: NodeConnection
        ) async throws {
            let attempt = AtomixAttempt(connection, timeout: .seconds(10))
            let start = ContinuousClock.now
            async let latch = reason {
                _ = try await attempt.latch(caller.header(requestID: 2), "after")
            }
            async let create = reason {
                let header = caller.header(requestID: 0, session: 0, index: 0)
                _ = try await attempt.create(header, milliseconds: 5_000)
            }
            async let keepAlive = reason { try await attempt.keepAlive(caller.header()) }
            async let get = reason {
                _ = try await attempt.getLatch("lonely", namespace: caller.namespace)
            }
            let reasons = try await [latch, create, keepAlive, get]
            #expect(reasons == ["no-leader", "no-leader", "no-leader", "unavailable"])
            #expect(ContinuousClock.now - start < .milliseconds(3_000))
        }

        /// Why a call failed.
        private func reason(_ call: () async throws -> Void) async throws -> String {
            do {
                try await call()
                return "it succeeded"
            } catch let failure as AtomixFailure {
                return failure.reason
            } catch let error as RPCError {
                return "\(error.code)".lowercased()
            }
        }

        private func health(
            of connection: NodeConnection,
            becomes status: Grpc_Health_V1_HealthCheckResponse.ServingStatus
        ) async throws {
            _ = try await eventually("health \(status)") {
                let response = try await connection.health.check(.init())
                return response.status == status ? true : nil
            }
        }

        @Test("L23: a stream through a surviving node goes on across a leader kill without a gap")
        func streamSurvives() async throws {
            try await TestCluster.withCluster { cluster in
                let leader = try await cluster.leader()
                let follower = try #require(cluster.ids.first { $0 != leader })
                try await NodeConnection.with(endpoint: cluster.endpoint(of: follower)) {
                    connection in
                    let watcher = LatchCaller(connection, name: "watched")
                    let writer = LatchCaller(connection, name: "watched")
                    try await watcher.create(timeout: 60_000)
                    try await writer.create(timeout: 60_000)
                    try await watcher.events { frames in
                        try await frames.wait(for: 1)
                        for number in 1...20 {
                            if number == 8 { await cluster.kill(leader) }
                            let answer = try await writer.latch("p\(number)")
                            #expect(answer.header.status == .ok)
                        }
                        let all = try await frames.wait(for: 21)
                        #expect(all.map(\.header.responseID) == Array(1...21))
                        #expect(all.dropFirst().map(\.latch.participants.count) == Array(1...20))
                    }
                }
            }
        }
    }
}
