import ClusterHarness
import Foundation
import LocalMachine
import Testing

extension FailoverTests {
    @Suite("What latchd refuses to start with (D5–D18, O1–O6)", .serialized)
    struct StartupRefusalTests {
        /// Starts a node that must refuse, with exit code `code` and `words` in its last line.
        private func expectRefusal(
            of id: Int, in cluster: TestCluster, _ code: Int32, _ words: [String],
            arguments: [String] = []
        ) async throws {
            try await cluster.start(id, arguments: arguments)
            let process = try await cluster.process(id)
            let status = try await cluster.exitCode(of: id)
            #expect(status == code)
            let line = process.output.split(separator: "\n").last.map(String.init) ?? ""
            for word in words { #expect(line.contains(word), "\(line)") }
        }

        @Test("D14, D15, D7, D11: a node whose data is gone, foreign or damaged; the others go on")
        func data() async throws {
            try await TestCluster.withCluster { cluster in
                try await Workload.run(on: cluster, writers: 2, seed: 5) { workload in
                    try await workload.progress(20)
                    let leader = try await cluster.leader()
                    let victim = leader % 3 + 1
                    let data = cluster.dataDirectory(of: victim)
                    let files = FileManager.default
                    let saved = cluster.folder.appendingPathComponent("saved")

                    await cluster.kill(victim)
                    try files.moveItem(at: data, to: saved)
                    try await expectRefusal(
                        of: victim, in: cluster, 66, ["--bootstrap", data.path])
                    try files.createDirectory(at: data, withIntermediateDirectories: true)
                    try await expectRefusal(of: victim, in: cluster, 66, ["--bootstrap"])
                    try await workload.progress(20)

                    // Only the database is gone: even --bootstrap makes no new one beside the rest.
                    try files.removeItem(at: data)
                    try files.copyItem(at: saved, to: data)
                    for file in try files.contentsOfDirectory(atPath: data.path)
                    where file.hasPrefix("latchd.sqlite") {
                        try files.removeItem(at: data.appendingPathComponent(file))
                    }
                    try await expectRefusal(
                        of: victim, in: cluster, 65, ["latchd.sqlite"], arguments: ["--bootstrap"])

                    try files.removeItem(at: data)
                    try files.copyItem(at: saved, to: data)
                    try damageMiddle(of: data.appendingPathComponent("latchd.sqlite"))
                    try await expectRefusal(of: victim, in: cluster, 65, ["latchd.sqlite"])
                    try await workload.progress(20)

                    try files.removeItem(at: data)
                    try files.moveItem(at: saved, to: data)
                    try await cluster.start(victim)
                    try await cluster.catchUp(victim)
                    try await workload.finishWriting()
                    let violations = try await workload.verdict()
                    #expect(violations == [])
                }
                try await swapDirectories(cluster)
            }
        }

        /// D15: two nodes with each other's data.
        private func swapDirectories(_ cluster: TestCluster) async throws {
            let files = FileManager.default
            let (first, second) = (cluster.dataDirectory(of: 1), cluster.dataDirectory(of: 2))
            let aside = cluster.folder.appendingPathComponent("aside")
            for id in [1, 2] { await cluster.kill(id) }
            func swap() throws {
                try files.moveItem(at: first, to: aside)
                try files.moveItem(at: second, to: first)
                try files.moveItem(at: aside, to: second)
            }
            try swap()
            try await expectRefusal(of: 1, in: cluster, 65, ["server 2", "server 1"])
            try await expectRefusal(of: 2, in: cluster, 65, ["server 1", "server 2"])
            try swap()
            for id in [1, 2] { try await cluster.start(id) }
            for id in [1, 2] { try await cluster.catchUp(id) }
        }

        /// Inverts bytes of every page but the first ones, and takes away what could repair them.
        private func damageMiddle(of database: URL) throws {
            var bytes = try Data(contentsOf: database)
            try #require(bytes.count >= 4_096)
            for position in stride(from: bytes.count / 2, to: bytes.count * 3 / 4, by: 7) {
                bytes[position] ^= 0xFF
            }
            try bytes.write(to: database)
        }

        @Test("D17, O5, O6, ports, YAML: a configuration that does not fit the world")
        func configuration() async throws {
            try await TestCluster.withCluster { cluster in
                let file = cluster.configurationFile(of: 1)
                // The running node holds the directory.
                let text = try String(contentsOf: file, encoding: .utf8)
                try await refuse(cluster, text, 75, ["locked", "data1"])

                // Another directory, the running node's ports: first the peer's, then the client's.
                let elsewhere = text.replacingOccurrences(of: "/data1", with: "/data-other")
                try await refuse(cluster, elsewhere, 69, ["peer port"], ["--bootstrap"])
                let port = FreePorts.takeOne()
                let otherPeer = elsewhere + "listen: {peer: \"127.0.0.1:\(port)\"}\n"
                try await refuse(cluster, otherPeer, 69, ["client port"])

                // Its own data with another member list, and with another cluster's name.
                await cluster.kill(1)
                let peers = text.replacingOccurrences(of: "{id: 3", with: "{id: 4")
                try await refuse(cluster, peers, 65, ["members"])
                let named = text.replacingOccurrences(of: "cluster: test", with: "cluster: other")
                try await refuse(cluster, named, 65, ["other", "test"])

                try await refuse(cluster, text + "snapshots: {}\n", 78, ["snapshot"])
                try await refuse(cluster, "cluster: [\n", 78, ["other.yaml:"])
                try await refuse(cluster, text, 64, ["--no-such-flag"], ["--no-such-flag"])
                try await cluster.start(1)
                try await cluster.catchUp(1)
            }
        }

        /// Runs `latchd` on a file with `text`; it must exit with `code` and say all of `words`.
        private func refuse(
            _ cluster: TestCluster, _ text: String, _ code: Int32, _ words: [String],
            _ arguments: [String] = []
        ) async throws {
            let file = cluster.folder.appendingPathComponent("other.yaml")
            try text.write(to: file, atomically: true, encoding: .utf8)
            let log = cluster.folder.appendingPathComponent("other-\(UUID().uuidString).log")
            let process = try NodeProcess(
                binary: BuiltPrograms.latchd,
                arguments: ["--config", file.path] + arguments, log: log)
            let status = try await eventually("the exit of latchd") { process.exitCode }
            #expect(status == code, "\(process.output)")
            for word in words {
                #expect(process.output.contains(word), "\(word) is not in: \(process.output)")
            }
        }
    }
}
