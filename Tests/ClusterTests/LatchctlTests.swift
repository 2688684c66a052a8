import ClusterHarness
import Foundation
import Testing

extension FailoverTests {
    @Suite("latchctl as a process (L14, O-rows)", .serialized)
    struct LatchctlTests {
        @Test("status, list, get, watch and hold, with a dead node among the endpoints")
        func verbs() async throws {
            try await TestCluster.withCluster { cluster in
                let leader = try await cluster.leader()
                let dead = leader % 3 + 1
                await cluster.kill(dead)
                let order = [dead] + cluster.ids.filter { $0 != dead }
                let tool = Tool(cluster, endpoints: order.map(cluster.endpoint(of:)))

                let status = try await tool.run(["status"])
                #expect(status.code == 0)
                #expect(status.text.contains("node \(leader) leads"), "\(status.text)")
                #expect(status.text.contains("UNREACHABLE"))
                try await #expect(tool.run(["list"]).text == "No latches.\n")
                try await #expect(tool.run(["get", "job"]).code == 4)

                let watch = try tool.start(["watch", "job"])
                try await tool.wait(for: "nobody holds it", in: watch)
                let first = try tool.start(["hold", "job", "--participant", "a", "--ttl", "2s"])
                try await tool.wait(for: "HOLDING token", in: first)
                let second = try tool.start(["hold", "job", "--participant", "b", "--ttl", "2s"])
                try await tool.wait(for: "waiting, position 2 behind a", in: second)
                try await tool.wait(for: "held by a  waiting: b", in: watch)
                let before = try await token(tool, holder: "a")
                let list = try await tool.run(["list"])
                #expect(list.text.contains("job") && list.text.contains("HOLDER"), "\(list.text)")

                first.send(SIGINT)
                try await #expect(tool.exitCode(of: first) == 0)
                #expect(first.output.contains("left"))
                try await tool.wait(for: "HOLDING token", in: second)
                try await tool.wait(for: "held by b  nobody waits", in: watch)
                try await #expect(token(tool, holder: "b") > before)

                second.send(SIGTERM)
                try await #expect(tool.exitCode(of: second) == 0)
                try await tool.wait(for: "term 2  token", in: watch)
                watch.send(SIGINT)
                try await #expect(tool.exitCode(of: watch) == 0)
            }
        }

        @Test("hold and watch live through a kill of the leader, and a killed holder is replaced")
        func failover() async throws {
            try await TestCluster.withCluster { cluster in
                let tool = Tool(cluster, endpoints: cluster.endpoints)
                let watch = try tool.start(["watch", "job"])
                let first = try tool.start(["hold", "job", "--participant", "a", "--ttl", "2s"])
                try await tool.wait(for: "HOLDING token", in: first)
                let second = try tool.start(["hold", "job", "--participant", "b", "--ttl", "2s"])
                try await tool.wait(for: "waiting, position 2 behind a", in: second)
                try await tool.wait(for: "waiting: b", in: watch)

                let leader = try await cluster.leader()
                await cluster.kill(leader)
                _ = try await cluster.leader()
                // Longer than the timeout: they live by keep-alives through the other nodes.
                try await pass(.milliseconds(2_500), since: .now)
                #expect(first.isRunning && second.isRunning)
                #expect(!first.output.contains("LOST"), "\(first.output)")
                let before = try await token(tool, holder: "a")

                first.kill()
                try await tool.wait(for: "HOLDING token", in: second, within: 8)
                try await #expect(token(tool, holder: "b") > before)
                try await tool.wait(for: "held by b  nobody waits", in: watch)
                second.send(SIGINT)
                try await #expect(tool.exitCode(of: second) == 0)
                watch.send(SIGTERM)
                try await #expect(tool.exitCode(of: watch) == 0)
            }
        }

        @Test("status says when there is no leader, and when no node answers")
        func noLeader() async throws {
            try await TestCluster.withCluster { cluster in
                let leader = try await cluster.leader()
                let others = cluster.ids.filter { $0 != leader }
                for id in others { await cluster.kill(id) }
                let tool = Tool(cluster, endpoints: [cluster.endpoint(of: leader)])
                _ = try await eventually("status without a leader") {
                    let status = try await tool.run(["status"])
                    return status.code == 2 && status.text.contains("NO LEADER") ? true : nil
                }
                let get = try await tool.run(["get", "job", "--timeout", "1s"])
                #expect(get.code == 1)
                #expect(get.text.contains("latchctl: "))
                await cluster.kill(leader)
                let status = try await tool.run(["status"])
                #expect(status.code == 2)
                #expect(status.text.contains("NO NODE ANSWERED"))
                try await #expect(tool.run(["status", "--endpoints", "nonsense"]).code == 64)
            }
        }

        /// The token of the latch, whose holder must be `holder`.
        private func token(_ tool: Tool, holder: String) async throws -> UInt64 {
            struct Latch: Decodable {
                let holder: String?
                let fencing_token: String?
            }
            let get = try await tool.run(["get", "job", "--json"])
            let latch = try JSONDecoder().decode(Latch.self, from: Data(get.text.utf8))
            #expect(latch.holder == holder)
            return try #require(latch.fencing_token.flatMap { UInt64($0) })
        }
    }
}

/// `latchctl` with the endpoints of a cluster.
private struct Tool {
    let cluster: TestCluster
    let endpoints: [String]

    init(_ cluster: TestCluster, endpoints: [String]) {
        self.cluster = cluster
        self.endpoints = endpoints
    }

    func start(_ arguments: [String]) throws -> NodeProcess {
        let named =
            arguments.contains("--endpoints")
            ? [] : ["--endpoints", endpoints.joined(separator: ",")]
        return try NodeProcess(
            binary: TestCluster.binaries.appendingPathComponent("latchctl"),
            arguments: arguments + named,
            log: cluster.folder.appendingPathComponent("latchctl-\(UUID().uuidString).log"))
    }

    func run(_ arguments: [String]) async throws -> (code: Int32, text: String) {
        let process = try start(arguments)
        return (try await exitCode(of: process), process.output)
    }

    func exitCode(of process: NodeProcess) async throws -> Int32 {
        try await eventually("the exit of latchctl") { process.exitCode }
    }

    func wait(for text: String, in process: NodeProcess, within seconds: Double = 10) async throws {
        do {
            _ = try await eventually("\"\(text)\"", within: seconds) {
                process.output.contains(text) ? true : nil
            }
        } catch {
            throw ClusterFailure(cause: error, logs: process.output)
        }
    }
}
