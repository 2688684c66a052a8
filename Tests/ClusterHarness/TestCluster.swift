package import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import LatchAPI
import LocalMachine

/// Real `latchd` processes on 127.0.0.1 with free ports and data in a temporary folder.
///
/// Use ``withCluster(of:extraConfiguration:_:)``: it ends every process and removes the folder,
/// also when a test fails.
package actor TestCluster {
    package nonisolated let folder: URL
    package nonisolated let ids: [Int]
    private let peerPorts: [Int: Int]
    package nonisolated let clientPorts: [Int: Int]
    private var extraConfiguration: String
    private var processes: [Int: NodeProcess] = [:]
    private var hasData: Set<Int> = []

    private init(size: Int, extraConfiguration: String) async throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        ids = Array(1...size)
        let ports = FreePorts.take(2 * size)
        peerPorts = Dictionary(uniqueKeysWithValues: zip(ids, ports[..<size]))
        clientPorts = Dictionary(uniqueKeysWithValues: zip(ids, ports[size...]))
        self.extraConfiguration = extraConfiguration
    }

    /// Runs `body` with a started cluster that has a leader.
    ///
    /// - Parameter extraConfiguration: YAML lines added to every node's file.
    package static func withCluster<Result: Sendable>(
        of size: Int = 3, extraConfiguration: String = "",
        _ body: (TestCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await TestCluster(size: size, extraConfiguration: extraConfiguration)
        do {
            for id in cluster.ids { try await cluster.start(id) }
            _ = try await cluster.leader()
            let result = try await body(cluster)
            await cluster.stop()
            return result
        } catch {
            let logs = await cluster.logs()
            await cluster.stop()
            throw ClusterFailure(cause: error, logs: logs)
        }
    }

    /// A cluster for the rest of this process's life; its nodes are killed and its folder removed
    /// at exit.
    package static func startForProcess(of size: Int = 3) async throws -> TestCluster {
        let cluster = try await TestCluster(size: size, extraConfiguration: "")
        AtExit.remove(cluster.folder)
        for id in cluster.ids { try await cluster.start(id) }
        _ = try await cluster.leader()
        return cluster
    }

    /// Writes the node's file and starts its process; with `--bootstrap` while it has no data.
    package func start(_ id: Int, arguments: [String] = []) throws {
        let file = configurationFile(of: id)
        try configuration(of: id).write(to: file, atomically: true, encoding: .utf8)
        let isFirst = hasData.insert(id).inserted
        processes[id] = try NodeProcess(
            binary: BuiltPrograms.latchd,
            arguments: ["--config", file.path] + (isFirst ? ["--bootstrap"] : []) + arguments,
            log: folder.appendingPathComponent("node\(id).log"))
    }

    /// Adds YAML lines to every node's file, as from its next start.
    package func addToConfiguration(_ lines: String) { extraConfiguration += lines }

    package nonisolated func configurationFile(of id: Int) -> URL {
        folder.appendingPathComponent("node\(id).yaml")
    }

    package nonisolated func dataDirectory(of id: Int) -> URL {
        folder.appendingPathComponent("data\(id)")
    }

    /// The YAML of a node's file.
    package func configuration(of id: Int) -> String {
        var text = "cluster: test\nnode: \(id)\ndata: \(dataDirectory(of: id).path)\nmembers:\n"
        for member in ids {
            text += "  - {id: \(member), peer: \"127.0.0.1:\(peerPorts[member] ?? 0)\", "
            text += "client: \"127.0.0.1:\(clientPorts[member] ?? 0)\"}\n"
        }
        return text + extraConfiguration
    }

    // MARK: Faults

    /// The process of a node, as last started.
    package func process(_ id: Int) throws -> NodeProcess {
        guard let process = processes[id] else {
            throw HarnessError("node \(id) was never started")
        }
        return process
    }

    /// kill -9.
    package func kill(_ id: Int) {
        processes[id]?.kill()
    }

    package func signal(_ id: Int, _ signal: Int32) {
        processes[id]?.send(signal)
    }

    /// Waits for the process to end by itself; returns its exit code.
    package func exitCode(of id: Int, within seconds: Double = 10) async throws -> Int32 {
        let process = try process(id)
        return try await eventually("the exit of node \(id)", within: seconds) {
            process.exitCode
        }
    }

    package func stop() {
        for process in processes.values { process.kill() }
        try? FileManager.default.removeItem(at: folder)
    }

    /// The last lines of every node's log, for a failure's message.
    package func logs() -> String {
        processes.sorted { $0.key < $1.key }.map { id, process in
            "--- node \(id)\n"
                + process.output.split(separator: "\n").suffix(25).joined(separator: "\n")
        }.joined(separator: "\n")
    }

    // MARK: Looking

    package nonisolated func endpoint(of id: Int) -> String { "127.0.0.1:\(clientPorts[id] ?? 0)" }
    package nonisolated var endpoints: [String] { ids.map(endpoint(of:)) }

    /// One node's own status.
    package nonisolated func status(of id: Int) async throws -> Latchd_V1_StatusResponse {
        try await NodeConnection.with(endpoint: endpoint(of: id)) { try await $0.status() }
    }

    /// Waits for a node that leads and is ready to serve; `excluded` ones are not asked.
    package func leader(
        within seconds: Double = 20, except excluded: Set<Int> = []
    ) async throws -> Int {
        try await eventually("a leader", within: seconds) {
            for id in ids where !excluded.contains(id) && processes[id]?.isRunning == true {
                guard let status = try? await status(of: id) else { continue }
                if status.node.role == .leader, status.node.ready { return id }
            }
            return nil
        }
    }

    /// Waits until a node is ready and has applied `index`; returns its status then.
    @discardableResult
    package func catchUp(
        _ id: Int, to index: UInt64 = 0, within seconds: Double = 20
    ) async throws -> Latchd_V1_NodeStatus {
        try await eventually("node \(id) has applied \(index)", within: seconds) {
            let node = try await status(of: id).node
            return node.ready && node.lastApplied >= index ? node : nil
        }
    }

    /// Waits until every running node has applied the same last entry with the same digest.
    package func agreement(within seconds: Double = 20) async throws {
        _ = try await eventually("equal state on all nodes", within: seconds) { () -> Bool? in
            var seen: Set<[UInt64]> = []
            for id in ids where processes[id]?.isRunning == true {
                let node = try await status(of: id).node
                seen.insert([node.lastApplied, node.stateDigest])
            }
            return seen.count == 1 ? true : nil
        }
    }
}

/// A test's own failure, with what the nodes had to say.
package struct ClusterFailure: Error, CustomStringConvertible {
    package let cause: any Error
    package let logs: String

    package init(cause: any Error, logs: String) {
        self.cause = cause
        self.logs = logs
    }

    package var description: String { "\(cause)\n\(logs)" }
}

/// The harness was used in a way that cannot work.
package struct HarnessError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
