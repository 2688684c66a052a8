import CProcess
import Foundation

/// The moment between `posix_spawn` and the command: does in the new process what `posix_spawn`
/// cannot, and becomes the command.
enum Trampoline {
    /// The first argument of this mode. Then come the guard's process number, 1 if the terminal is
    /// to be taken, and the command.
    static let mode = "__exec"

    static func main() -> Never {
        let arguments = rawArguments
        guard arguments.count > 4, let guardID = Int32(CommandLine.arguments[2]) else {
            exit(RunExit.failure)
        }
        // If the guard is killed, the kernel kills the command.
        _ = latchd_signal_at_parents_death(SIGKILL)
        guard getppid() == guardID else { exit(RunExit.failure) }
        if CommandLine.arguments[3] == "1" { takeTerminal() }
        let command: [UnsafeMutablePointer<CChar>?] = Array(arguments[4...]) + [nil]
        execvp(arguments[4], command)
        let reason = errno
        Console.complain(
            "latchctl: cannot run \(String(cString: arguments[4])): \(String(cString: strerror(reason)))"
        )
        exit(reason == ENOENT ? RunExit.notFound : RunExit.notExecutable)
    }

    /// Before the command is there, so that it never reads from a terminal that is not its own.
    private static func takeTerminal() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTTOU)
        sigprocmask(SIG_BLOCK, &set, nil)
        tcsetpgrp(0, getpid())
        sigprocmask(SIG_UNBLOCK, &set, nil)
    }
}
