package import Foundation
import Synchronization

/// What must not outlive this process, however it exits: processes first, then mounts and folders
/// in the reverse order of their making.
package enum AtExit {
    private struct Remains {
        var isEnding = false
        var pids: Set<Int32> = []
        var undoings: [@Sendable () -> Void] = []
    }

    private static let remains = Mutex(Remains())
    private static let registration: Void = { atexit { AtExit.cleanUp() } }()

    /// The process ends: nothing may be made any more.
    package struct IsEnding: Error {}

    /// Ends what is left, at once; what would be made from now on is refused.
    ///
    /// It runs once, on whichever thread comes first; another one waits for its end.
    package static func cleanUp() {
        remains.withLock { remains in
            guard !remains.isEnding else { return }
            remains.isEnding = true
            for pid in remains.pids { Foundation.kill(pid, SIGKILL) }
            // Only a process that is gone neither keeps its mount busy nor writes another file.
            for pid in remains.pids { waitForEnd(of: pid) }
            for undo in remains.undoings.reversed() { undo() }
        }
    }

    /// Leaves the exit status to whoever waits for the process otherwise.
    private static func waitForEnd(of pid: Int32) {
        var information = siginfo_t()
        _ = waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT)
    }

    /// Starts a process that is killed at the exit. The lock is held meanwhile: an exit comes
    /// either before, and the process never starts, or after, and it is known.
    static func start(_ process: Process) throws {
        _ = registration
        try remains.withLock { remains in
            guard !remains.isEnding else { throw IsEnding() }
            try process.run()
            remains.pids.insert(process.processIdentifier)
        }
    }

    static func forget(_ pid: Int32) {
        remains.withLock { _ = $0.pids.remove(pid) }
    }

    /// Runs `make`, and `undo` at the exit if it did not throw. `undo` must not mind if that was
    /// done before.
    package static func make(
        undo: @escaping @Sendable () -> Void, _ make: () throws -> Void
    ) throws {
        _ = registration
        try remains.withLock { remains in
            guard !remains.isEnding else { throw IsEnding() }
            try make()
            remains.undoings.append(undo)
        }
    }

    /// Removes a folder at the exit.
    package static func remove(_ folder: URL) {
        try? make(undo: { removeNow(folder) }) {}
    }

    private static func removeNow(_ folder: URL) {
        // Threads that still work may create files by their path; under another name they cannot.
        let renamed = folder.appendingPathExtension("ending")
        let wasRenamed = (try? FileManager.default.moveItem(at: folder, to: renamed)) != nil
        try? FileManager.default.removeItem(at: wasRenamed ? renamed : folder)
    }
}
