import CProcess
import Foundation

/// Starts one process by `posix_spawn`.
///
/// swift-subprocess does not fit: the guard needs two pipes of its own beside the three standard
/// streams of the user, a clean signal mask and the default dispositions, and the same few lines
/// must work in a process that has one thread and no concurrency runtime in use.
struct Spawn {
    /// The program, searched for nowhere.
    let path: String
    let arguments: [UnsafeMutablePointer<CChar>]
    /// Descriptors that stay open in the new process, under the same numbers.
    var kept: [Int32] = []
    /// Signals that are set to their default in the new process.
    var defaultSignals: [Int32] = []
    /// Added to the environment of this process.
    var environment: [String: String] = [:]

    /// The process number, and 0 or what went wrong.
    ///
    /// The new process leads a process group of its own and blocks no signal.
    func start() -> (pid: Int32, error: Int32) {
        var attributes = posix_spawnattr_t()
        var actions = posix_spawn_file_actions_t()
        posix_spawnattr_init(&attributes)
        posix_spawn_file_actions_init(&actions)
        defer {
            posix_spawnattr_destroy(&attributes)
            posix_spawn_file_actions_destroy(&actions)
        }
        // Onto itself: that takes "close on exec" away.
        for descriptor in kept {
            posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor)
        }
        var none = sigset_t()
        sigemptyset(&none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in defaultSignals { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))
        var pid: pid_t = 0
        let terminated: [UnsafeMutablePointer<CChar>?] = arguments + [nil]
        let added = environment.map { cString("\($0.key)=\($0.value)") }
        defer { for variable in added { variable.deallocate() } }
        let error = posix_spawn(
            &pid, path, &actions, &attributes, terminated, inherited() + added + [nil])
        return (pid, error)
    }

    /// Our variables as they are, whether or not they are text, less those that are replaced.
    private func inherited() -> [UnsafeMutablePointer<CChar>?] {
        var all: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let variable = next.pointee {
            let isReplaced = environment.keys.contains {
                strncmp(variable, $0 + "=", $0.utf8.count + 1) == 0
            }
            if !isReplaced { all.append(variable) }
            next += 1
        }
        return all
    }
}

/// A C string; the caller frees it, or keeps it for the rest of the process's life.
func cString(_ text: String) -> UnsafeMutablePointer<CChar> {
    let bytes = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    bytes.withUnsafeBufferPointer { source in
        guard let base = source.baseAddress else { return }
        copy.initialize(from: base, count: bytes.count)
    }
    return copy
}

/// The arguments of this process as they came, whether or not they are text.
var rawArguments: [UnsafeMutablePointer<CChar>] {
    (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0] }
}

/// This program, also after its file was replaced.
let ownProgram = "/proc/self/exe"
