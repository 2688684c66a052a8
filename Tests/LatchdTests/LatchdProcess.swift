import Foundation
import NIOCore
import NIOPosix
import Testing

/// The built `latchd` as a process: a new cluster of one in a temporary folder.
final class LatchdProcess: Sendable {
    private let process = Process()
    private let folder: URL
    private let log: URL
    /// Of its status site.
    let statusPort: Int

    /// - Parameter environment: added to that of this process.
    init(environment added: [String: String]) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let configuration = folder.appendingPathComponent("node.yaml")
        let (peer, client, status) = try (Self.freePort(), Self.freePort(), Self.freePort())
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
        let output = try FileHandle(forWritingTo: log)
        let binary: URL = try #require(Self.binary)
        process.executableURL = binary
        process.arguments = ["--config", configuration.path, "--bootstrap"]
        process.standardOutput = output
        process.standardError = output
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment.merging(added) { $1 }
        try process.run()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    /// A port that nobody listens on at the moment.
    private static func freePort() throws -> Int {
        let channel = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).wait()
        let port = try #require(channel.localAddress?.port)
        try channel.close().wait()
        return port
    }

    /// Beside the folder in which this test binary was built.
    private static var binary: URL? {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let file = folder.appendingPathComponent("latchd")
            if FileManager.default.isExecutableFile(atPath: file.path),
                (try? file.resourceValues(forKeys: [.isRegularFileKey]))?.isRegularFile == true
            {
                return file
            }
        }
        return nil
    }

    var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

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
