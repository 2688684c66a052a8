import Foundation

/// What latchctl tells the guard of its command: one line each, in a pipe.
enum GuardOrder: Hashable, Sendable {
    /// The latch is certainly held until then.
    case deadline(BootTime)
    /// The latch is lost, or not wanted any more: end the command.
    case end
    /// Pass this signal on to the command's process group.
    case signal(Int32)

    var line: String {
        switch self {
        case .deadline(let moment): "deadline \(moment.nanoseconds)"
        case .end: "end"
        case .signal(let number): "signal \(number)"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        switch (words.first, words.count) {
        case ("deadline", 2):
            guard let number = Int64(words[1]) else { return nil }
            self = .deadline(BootTime(nanoseconds: number))
        case ("end", 1): self = .end
        case ("signal", 2):
            guard let number = Int32(words[1]) else { return nil }
            self = .signal(number)
        default: return nil  // default: open set (lines)
        }
    }
}

/// How a process ended.
enum ProcessEnd: Hashable, Sendable {
    case exited(Int32)
    case signaled(Int32)

    /// As a shell tells it: the code, or 128 and the number of the signal.
    var code: Int32 {
        switch self {
        case .exited(let code): code
        case .signaled(let number): 128 + number
        }
    }
}

/// Why a guard ends its command.
enum GuardReason: String, Hashable, Sendable {
    /// The command ended by itself; what it left behind is ended.
    case finished
    /// latchctl said so.
    case told
    /// No renewal was heard of for too long.
    case deadline
    /// latchctl is gone.
    case orphaned
}

/// What a guard cannot be without.
enum GuardNeed: String, Hashable, Sendable {
    /// To get the orphans among its descendants: `PR_SET_CHILD_SUBREAPER`.
    case orphans
    /// A timer on the clock that goes on while the machine is suspended.
    case timer
    /// To hear of the ends of its children.
    case signals
    /// To find its descendants.
    case processes
    /// To signal a process and never another that got its number.
    case descriptors
    /// To start the command.
    case command

    /// The end of "the watchdog of the command cannot …".
    var words: String {
        switch self {
        case .orphans: "become the parent of orphans (PR_SET_CHILD_SUBREAPER)"
        case .timer: "make a timer (timerfd_create)"
        case .signals: "hear of the ends of processes (signalfd)"
        case .processes: "read /proc"
        case .descriptors: "open a process (pidfd_open)"
        case .command: "start a process for it (posix_spawn)"
        }
    }
}

/// What the guard tells latchctl: one line each, in a pipe. The end of the pipe without
/// ``GuardReport/gone`` means that the guard itself is gone.
enum GuardReport: Hashable, Sendable {
    /// The command runs, as the leader of the process group of this number.
    case started(Int32)
    /// The command could not be started, for lack of that.
    case failed(GuardNeed, errno: Int32)
    /// SIGTERM would have been due before the command could be started, so it was not.
    case late
    /// `/proc` cannot be read: only the process group gets signals, and the command's processes
    /// count as left.
    case blind(errno: Int32)
    /// Half of the TTL has passed without a renewal.
    case jeopardy
    case ending(GuardReason)
    case exited(ProcessEnd)
    /// No process of the command is left: the kernel says so.
    case gone

    var line: String {
        switch self {
        case .started(let pid): "started \(pid)"
        case .failed(let need, let number): "failed \(need.rawValue) \(number)"
        case .late: "late"
        case .blind(let number): "blind \(number)"
        case .jeopardy: "jeopardy"
        case .ending(let reason): "ending \(reason.rawValue)"
        case .exited(.exited(let code)): "exited \(code)"
        case .exited(.signaled(let number)): "signaled \(number)"
        case .gone: "gone"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        let number = words.count > 1 ? words.last.flatMap { Int32($0) } : nil
        switch (words.first, words.count, number) {
        case ("started", 2, let pid?): self = .started(pid)
        case ("failed", 3, let number?):
            guard let need = GuardNeed(rawValue: String(words[1])) else { return nil }
            self = .failed(need, errno: number)
        case ("late", 1, _): self = .late
        case ("blind", 2, let number?): self = .blind(errno: number)
        case ("exited", 2, let code?): self = .exited(.exited(code))
        case ("signaled", 2, let number?): self = .exited(.signaled(number))
        case ("jeopardy", 1, _): self = .jeopardy
        case ("gone", 1, _): self = .gone
        case ("ending", 2, _):
            guard let reason = GuardReason(rawValue: String(words[1])) else { return nil }
            self = .ending(reason)
        default: return nil  // default: open set (lines)
        }
    }

    /// Writes it to a pipe; one whose reader is gone takes nothing.
    func write(to descriptor: Int32) {
        let bytes = Array((line + "\n").utf8)
        _ = Foundation.write(descriptor, bytes, bytes.count)
    }
}

/// Cuts what comes through a pipe into lines.
struct LineBuffer {
    private var bytes: [UInt8] = []

    /// The lines that `chunk` completes.
    mutating func take(_ chunk: some Sequence<UInt8>) -> [String] {
        bytes.append(contentsOf: chunk)
        var lines: [String] = []
        while let end = bytes.firstIndex(of: 10) {
            lines.append(String(decoding: bytes[..<end], as: UTF8.self))
            bytes.removeSubrange(...end)
        }
        return lines
    }
}
