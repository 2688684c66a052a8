import ClusterHarness
import Foundation
import LocalMachine

/// `latchctl` with the endpoints of a cluster.
struct Tool {
    let cluster: TestCluster
    let endpoints: [String]

    init(_ cluster: TestCluster, endpoints: [String]) {
        self.cluster = cluster
        self.endpoints = endpoints
    }

    /// Starts it; `rest` comes after the endpoints.
    func start(_ arguments: [String], then rest: [String] = []) throws -> NodeProcess {
        let named =
            arguments.contains("--endpoints") || endpoints.isEmpty
            ? [] : ["--endpoints", endpoints.joined(separator: ",")]
        return try NodeProcess(
            binary: BuiltPrograms.latchctl,
            arguments: arguments + named + rest,
            log: cluster.folder.appendingPathComponent("latchctl-\(UUID().uuidString).log"))
    }

    func run(
        _ arguments: [String], then rest: [String] = []
    ) async throws -> (code: Int32, text: String) {
        let process = try start(arguments, then: rest)
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
