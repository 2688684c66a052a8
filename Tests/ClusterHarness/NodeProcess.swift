package import Foundation
import Synchronization

/// One real `latchd` process of a test.
///
/// It is always ended by its pid: by `kill`, by the cluster's `stop`, or when the test process exits.
package final class NodeProcess: Sendable {
    private let process: Process
    package let log: URL

    /// Starts the binary with `arguments`; its output goes to the end of `log`.
    package init(binary: URL, arguments: [String], log: URL) throws {
        if !FileManager.default.fileExists(atPath: log.path) {
            FileManager.default.createFile(atPath: log.path, contents: nil)
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
        process.environment = environment
        try process.run()
        self.process = process
        self.log = log
        Survivors.add(process.processIdentifier)
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
        Survivors.remove(pid)
    }

    /// The exit code, once the process has ended by itself; nil while it runs.
    package var exitCode: Int32? {
        guard !process.isRunning else { return nil }
        Survivors.remove(pid)
        return process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
    }

    /// Everything the process has written.
    package var output: String {
        (try? String(contentsOf: log, encoding: .utf8)) ?? ""
    }
}

/// The pids of processes that were started and not yet ended: killed when the test process exits, however it does.
private enum Survivors {
    private static let pids = Mutex<Set<Int32>>([])
    private static let atExit: Void = {
        atexit { Survivors.pids.withLock { for pid in $0 { Foundation.kill(pid, SIGKILL) } } }
    }()

    static func add(_ pid: Int32) {
        _ = atExit
        pids.withLock { _ = $0.insert(pid) }
    }

    static func remove(_ pid: Int32) {
        pids.withLock { _ = $0.remove(pid) }
    }
}
