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

        @Test("operators hand over and evict, and see what a holder published")
        func operating() async throws {
            try await TestCluster.withCluster { cluster in
                _ = try await cluster.leader()
                let tool = Tool(cluster, endpoints: cluster.endpoints)
                let first = try tool.start(
                    ["hold", "job", "--participant", "a", "--publish", "10.0.0.1:80"])
                try await tool.wait(for: "published 10.0.0.1:80", in: first)
                try await #expect(
                    tool.run(["get", "job"]).text.contains("value      10.0.0.1:80\n"))
                let second = try tool.start(["hold", "job", "--participant", "b"])
                try await tool.wait(for: "waiting, position 2 behind a", in: second)

                let token = try await token(tool, holder: "a")
                let outdated = try await tool.run(["handover", "job", "b", "--token", "1"])
                #expect(outdated.code == 1 && outdated.text.contains("changed hands"))
                try await #expect(tool.run(["handover", "job", "c"]).code == 4)
                let handover = try await tool.run(["handover", "job", "b", "--token", "\(token)"])
                #expect(handover.code == 0 && handover.text.contains("b holds it now"))
                try await tool.wait(for: "HOLDING token", in: second)
                let after = try await tool.run(["get", "job"])
                #expect(!after.text.contains("10.0.0.1"), "\(after.text)")
                try await tool.wait(for: "\nwaiting, position 2", in: first)
                let queue = try await tool.run(["queue", "job"])
                #expect(queue.text.contains("holds, token"), "\(queue.text)")
                #expect(!queue.text.contains("\u{1B}"))

                let refused = try await tool.run(["evict", "job", "b"])
                #expect(refused.code == 1 && refused.text.contains("not evicted"))
                try await #expect(tool.run(["evict", "job", "a"]).code == 0)
                try await #expect(tool.exitCode(of: first) == 3)
                #expect(first.output.contains("LOST: "), "\(first.output)")
                try await #expect(tool.run(["evict", "job", "a"]).code == 4)
                let history = try await tool.run(["history", "job"])
                #expect(history.text.contains("handed over"), "\(history.text)")
                second.send(SIGINT)
                try await #expect(tool.exitCode(of: second) == 0)
            }
        }

        @Test("config check asks latchd, which compares the files of a cluster")
        func configuration() async throws {
            try await TestCluster.withCluster { cluster in
                let files = cluster.ids.map { cluster.configurationFile(of: $0).path }
                let tool = Tool(cluster, endpoints: [])
                let all = try await tool.run(["config", "check"] + files)
                #expect(all.code == 0, "\(all.text)")
                #expect(all.text.contains("3 files of one cluster of 3 nodes: nothing is wrong."))
                let one = try await tool.run(["config", "check", files[0]])
                #expect(one.code == 0 && one.text.contains("\n  election_timeout: "), "\(one.text)")
                let twice = try await tool.run(["config", "check", files[0], files[0]])
                #expect(twice.code == 78)
                #expect(twice.text.contains("Every node has its own id."), "\(twice.text)")
                let missing = try await tool.run(["config", "check", files[0], "--", "-no-such"])
                #expect(missing.code == 78 && missing.text.contains("-no-such"))
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
