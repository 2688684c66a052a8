import Foundation
import LocalMachine
import Testing

/// The built `latchd` as a process: a new cluster of one in a temporary folder.
final class LatchdProcess: Sendable {
    private let process = Process()
    private let folder: URL
    private let log: URL
    /// Of its status site.
    let statusPort: Int

    /// - Parameters:
    ///   - environment: added to that of this process.
    ///   - output: where its output and its log go; nil: to a file, see ``output``.
    init(environment added: [String: String], output place: FileHandle? = nil) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let configuration = folder.appendingPathComponent("node.yaml")
        let (peer, client, status) = (FreePorts.takeOne(), FreePorts.takeOne(), FreePorts.takeOne())
        statusPort = status
        try """
        cluster: test
        node: 1
        data: data
        members:
          - {id: 1, peer: "127.0.0.1:\(peer)", client: "127.0.0.1:\(client)"}
        status: "127.0.0.1:\(status)"

        """.write(to: configuration, atomically: true, encoding: .utf8)
        log = folder.appendingPathComponent("log")
        try Data().write(to: log)
        let output = try place ?? FileHandle(forWritingTo: log)
        process.executableURL = BuiltPrograms.latchd
        process.arguments = ["--config", configuration.path, "--bootstrap"]
        process.standardOutput = output
        process.standardError = output
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment.merging(added) { $1 }
        try process.run()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    var isRunning: Bool { process.isRunning }

    /// SIGTERM.
    func terminate() { process.terminate() }

    /// Waits for the end.
    func exitCode() -> Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// kill -9, if it still runs.
    func kill() {
        guard process.isRunning else { return }
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
