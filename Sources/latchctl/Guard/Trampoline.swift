import CProcess
import Foundation

/// The moment between `posix_spawn` and the command: does in the new process what `posix_spawn`
/// cannot, and becomes the command.
struct Trampoline {
    /// The first argument of this mode; ``arguments`` has the others.
    static let mode = "__exec"

    /// The process without which the command must not run.
    var guardID: Int32
    /// From here on the command must not be started any more.
    var latestStart: BootTime
    /// Where to say that it was too late; negative: nowhere.
    var report: Int32
    var takesTerminal: Bool
    var command: [UnsafeMutablePointer<CChar>]

    static func main() -> Never {
        guard let trampoline = Trampoline(rawArguments) else {
            Console.complain("latchctl: \(mode) is for latchctl run alone")
            exit(RunExit.failure)
        }
        trampoline.run()
    }

    private func run() -> Never {
        // If the guard is killed, the kernel kills the command.
        _ = latchd_signal_at_parents_death(SIGKILL)
        guard getppid() == guardID else { exit(RunExit.failure) }
        if report >= 0 { _ = fcntl(report, F_SETFD, FD_CLOEXEC) }
        if takesTerminal { Terminal.give(to: getpid()) }
        let words: [UnsafeMutablePointer<CChar>?] = command + [nil]
        // The last thing of all: a process that was stopped until now, perhaps together with its
        // guard, must not begin what nobody has the right to do any more.
        guard BootTime.now < latestStart else {
            if report >= 0 { GuardReport.late.write(to: report) }
            exit(RunExit.lost)
        }
        execvp(command[0], words)
        let reason = errno
        Console.complain(
            "latchctl: cannot run \(String(cString: command[0])): \(String(cString: strerror(reason)))"
        )
        exit(reason == ENOENT ? RunExit.notFound : RunExit.notExecutable)
    }
}

extension Trampoline {
    /// The numbers of the command line, and behind them the command.
    private static let numbers = 2..<6

    init?(_ arguments: [UnsafeMutablePointer<CChar>]) {
        guard arguments.count > Self.numbers.upperBound else { return nil }
        let values = arguments[Self.numbers].compactMap { Int64(String(cString: $0)) }
        guard values.count == Self.numbers.count, let guardID = Int32(exactly: values[0]),
            let report = Int32(exactly: values[2])
        else { return nil }
        self.init(
            guardID: guardID, latestStart: BootTime(nanoseconds: values[1]), report: report,
            takesTerminal: values[3] == 1, command: Array(arguments[Self.numbers.upperBound...]))
    }

    /// The command line that ``init(_:)`` reads.
    var arguments: [UnsafeMutablePointer<CChar>] {
        let values: [Int64] = [
            Int64(guardID), latestStart.nanoseconds, Int64(report), takesTerminal ? 1 : 0,
        ]
        return [cString("latchctl"), cString(Self.mode)] + values.map { cString("\($0)") } + command
    }
}

/// The terminal that standard input is.
enum Terminal {
    /// Lets a process group read from it.
    static func give(to group: Int32) {
        withoutStopping { tcsetpgrp(0, group) }
    }

    /// Does something with it, also from the background, where the kernel would stop this process
    /// for that with SIGTTOU.
    static func withoutStopping(_ body: () -> Void) {
        var stop = sigset_t()
        var before = sigset_t()
        sigemptyset(&stop)
        sigaddset(&stop, SIGTTOU)
        pthread_sigmask(SIG_BLOCK, &stop, &before)
        body()
        pthread_sigmask(SIG_SETMASK, &before, nil)
    }
}
