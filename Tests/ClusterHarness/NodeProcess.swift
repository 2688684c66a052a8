package import Foundation

/// One real `latchd` process of a test.
///
/// It is always ended by its pid: by `kill`, by the cluster's `stop`, or when the test process
/// exits.
package final class NodeProcess: Sendable {
    private let process: Process
    package let log: URL

    /// Starts the binary with `arguments`; its output goes to the end of `log`.
    ///
    /// - Parameter environment: added to that of this process.
    package init(
        binary: URL, arguments: [String], log: URL, environment added: [String: String] = [:]
    ) throws {
        if !FileManager.default.fileExists(atPath: log.path) {
            _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        let process = Process()
        process.executableURL = binary
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        environment.merge(added) { _, new in new }
        process.environment = environment
        try AtExit.start(process)
        self.process = process
        self.log = log
    }

    package var pid: Int32 { process.processIdentifier }
    package var isRunning: Bool { process.isRunning }

    /// Sends a signal; a process that has ended gets none.
    package func send(_ signal: Int32) {
        if process.isRunning { Foundation.kill(pid, signal) }
    }

    /// kill -9, and waits until the process is gone.
    package func kill() {
        send(SIGKILL)
        process.waitUntilExit()
        AtExit.forget(pid)
    }

    /// The exit code, once the process has ended by itself; nil while it runs.
    package var exitCode: Int32? {
        guard !process.isRunning else { return nil }
        AtExit.forget(pid)
        return process.terminationReason == .exit
            ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// Everything the process has written.
    package var output: String {
        (try? String(contentsOf: log, encoding: .utf8)) ?? ""
    }
}
