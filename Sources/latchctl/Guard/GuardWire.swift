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

/// What the guard tells latchctl: one line each, in a pipe. The end of the pipe without
/// ``GuardReport/gone`` means that the guard itself is gone.
enum GuardReport: Hashable, Sendable {
    /// The command runs, as the leader of the process group of this number.
    case started(Int32)
    /// The command could not be started.
    case failed(errno: Int32)
    /// Half of the TTL has passed without a renewal.
    case jeopardy
    case ending(GuardReason)
    case exited(ProcessEnd)
    /// The deadline has come, and processes are left.
    case overdue
    /// No process of the command is left.
    case gone

    var line: String {
        switch self {
        case .started(let pid): "started \(pid)"
        case .failed(let number): "failed \(number)"
        case .jeopardy: "jeopardy"
        case .ending(let reason): "ending \(reason.rawValue)"
        case .exited(.exited(let code)): "exited \(code)"
        case .exited(.signaled(let number)): "signaled \(number)"
        case .overdue: "overdue"
        case .gone: "gone"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        let number = words.count == 2 ? Int32(words[1]) : nil
        switch (words.first, number) {
        case ("started", let pid?): self = .started(pid)
        case ("failed", let number?): self = .failed(errno: number)
        case ("exited", let code?): self = .exited(.exited(code))
        case ("signaled", let number?): self = .exited(.signaled(number))
        case ("jeopardy", nil): self = .jeopardy
        case ("overdue", nil): self = .overdue
        case ("gone", nil): self = .gone
        case ("ending", nil):
            guard words.count == 2, let reason = GuardReason(rawValue: String(words[1])) else {
                return nil
            }
            self = .ending(reason)
        default: return nil  // default: open set (lines)
        }
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
