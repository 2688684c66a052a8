import ClusterHarness
import Foundation
import SeededRandom
import Testing

extension FailoverTests {
    @Suite("Every verb of latchctl while nodes are being killed (O-rows)", .serialized)
    struct VerbsUnderKillsTests {
        /// `LATCH_VERB_ROUNDS`: so often each verb is run.
        private static let rounds =
            ProcessInfo.processInfo.environment["LATCH_VERB_ROUNDS"].flatMap { Int($0) } ?? 4
        private static let seed =
            ProcessInfo.processInfo.environment["LATCH_SEED"].flatMap { UInt64($0) }
            ?? UInt64.random(in: 0..<1_000_000)

        @Test("with one node down at a time every verb does its work, and nobody loses a place")
        func verbs() async throws {
            print("verbs under kills: \(Self.rounds) rounds, LATCH_SEED=\(Self.seed)")
            try await TestCluster.withCluster { cluster in
                let tool = Tool(cluster, endpoints: cluster.endpoints)
                let first = try tool.start(["hold", "job", "--participant", "alpha", "--ttl", "8s"])
                try await tool.wait(for: "HOLDING token", in: first)
                let second = try tool.start(["hold", "job", "--participant", "beta", "--ttl", "8s"])
                try await tool.wait(for: "waiting, position 2 behind alpha", in: second)
                let watch = try tool.start(["watch", "job"])
                try await tool.wait(for: "held by", in: watch)

                let kills = try await Self.underKills(of: cluster) {
                    for round in 0..<Self.rounds {
                        try await lookAround(tool)
                        try await passOn(tool)
                        try await evictOne(tool, round)
                        try await runOne(tool, round)
                    }
                }
                print("verbs under kills: \(kills) kills")
                #expect(kills >= Self.rounds / 2)

                for process in [first, second, watch] {
                    #expect(process.isRunning, "\(process.output)")
                    #expect(!process.output.contains("LOST"), "\(process.output)")
                }
                try await expectWholeHistory(tool)
                for process in [first, second, watch] {
                    process.send(SIGINT)
                    try await #expect(tool.exitCode(of: process) == 0)
                }
            }
        }

        /// Runs `body` while nodes are being killed; returns how many were.
        private static func underKills(
            of cluster: TestCluster, _ body: () async throws -> Void
        ) async throws -> Int {
            let nemesis = Task { try await Self.nemesis(cluster) }
            do {
                try await body()
            } catch {
                // It may be starting a node: the cluster is not to end before that.
                nemesis.cancel()
                _ = await nemesis.result
                throw error
            }
            nemesis.cancel()
            return try await nemesis.value
        }

        /// Kills one node after the other, a follower or the leader, while all others run; returns
        /// how many.
        private static func nemesis(_ cluster: TestCluster) async throws -> Int {
            var chance = SplitMix(seed: seed)
            var kills = 0
            while !Task.isCancelled {
                let victim = Int.random(in: 1...3, using: &chance)
                await cluster.kill(victim)
                kills += 1
                let downtime = Int.random(in: 0...400, using: &chance)
                // To the end also where the test is over: the next one is to find all nodes.
                try await Task { try await pass(.milliseconds(downtime), since: .now) }.value
                try await cluster.start(victim)
                try await Task { _ = try await cluster.catchUp(victim) }.value
            }
            return kills
        }

        private func lookAround(_ tool: Tool) async throws {
            for (verb, names) in [
                ("get", ["alpha", "beta"]), ("queue", ["alpha", "beta"]), ("history", ["alpha"]),
                ("why", ["alpha"]),
            ] {
                let looked = try await tool.run([verb, "job"])
                #expect(looked.code == 0, "\(verb): \(looked.text)")
                #expect(names.allSatisfy(looked.text.contains), "\(verb): \(looked.text)")
            }
            let list = try await tool.run(["list"])
            #expect(list.code == 0 && list.text.contains("job"), "\(list.text)")
            // 2: no leader at this moment, or a warning; what they say is for people.
            for verb in ["status", "doctor"] {
                let told = try await tool.run([verb])
                #expect([0, 2].contains(told.code), "\(verb): \(told.text)")
                #expect(!told.text.isEmpty)
            }
        }

        /// The one that waits gets the latch by an operator's hand, once.
        private func passOn(_ tool: Tool) async throws {
            let before = try await newest(tool)
            let next = before.holder == "alpha" ? "beta" : "alpha"
            let handover = try await tool.run(
                ["handover", "job", next, "--token", before.fencing_token])
            if handover.code != 0 {
                // Its answer was lost with a node: it may have been done, and never twice.
                expectUnknown(handover)
            }
            let after = try await newest(tool)
            let isDone = after.term == before.term + 1 && after.holder == next
            #expect(isDone || handover.code != 0 && after.term == before.term, "\(after)")
        }

        private func expectUnknown(_ result: (code: Int32, text: String)) {
            let isTold = ["may have done it", "whether it was done"].contains {
                result.text.contains($0)
            }
            #expect(result.code == 1 && isTold, "\(result.text)")
        }

        /// Somebody who waits is thrown out, is told, and goes.
        private func evictOne(_ tool: Tool, _ round: Int) async throws {
            let name = "c\(round)"
            let third = try tool.start(["hold", "job", "--participant", name, "--ttl", "8s"])
            try await tool.wait(for: "waiting, position 3", in: third)
            let evict = try await tool.run(["evict", "job", name])
            if evict.code != 0 { expectUnknown(evict) }
            try await #expect(tool.exitCode(of: third) == 3, "\(third.output)")
            let queue = try await tool.run(["queue", "job"])
            #expect(queue.code == 0 && !queue.text.contains(name), "\(queue.text)")
        }

        /// A command runs under a latch of its own, which is deleted then.
        private func runOne(_ tool: Tool, _ round: Int) async throws {
            let name = "side-\(round)"
            let run = try await tool.run(
                ["run", name, "--ttl", "8s"], then: ["--", "sh", "-c", "exit 7"])
            #expect(run.code == 7, "\(run.text)")
            let gone = try await tool.run(["delete", name, "--yes"])
            #expect(gone.code == 0, "\(gone.text)")
            let get = try await tool.run(["get", name])
            #expect(get.code == 4, "\(get.text)")
        }

        private struct Term: Decodable {
            let term: UInt64
            let fencing_token: String
            let holder: String
        }

        private func terms(_ tool: Tool) async throws -> [Term] {
            struct History: Decodable { let terms: [Term] }
            let history = try await tool.run(["history", "job", "--json", "--last", "64"])
            return try JSONDecoder().decode(History.self, from: Data(history.text.utf8)).terms
        }

        private func newest(_ tool: Tool) async throws -> Term {
            let terms = try await terms(tool)
            return try #require(terms.max { $0.term < $1.term })
        }

        /// Terms follow each other without a gap, and their tokens only grow.
        private func expectWholeHistory(_ tool: Tool) async throws {
            let terms = try await terms(tool).sorted { $0.term < $1.term }
            #expect(terms.map(\.term) == Array(1...UInt64(terms.count)))
            let tokens = terms.compactMap { UInt64($0.fencing_token) }
            #expect(tokens.count == terms.count && zip(tokens, tokens.dropFirst()).allSatisfy(<))
        }
    }
}
