import CProcess
import Dispatch
import Foundation

/// latchctl's hold on the guard of its command: the process, the pipe to it, and the pipe back.
final class GuardLink {
    /// What it reports; the end of the sequence is the end of the guard, or of this link.
    let reports: AsyncStream<GuardReport>

    let pid: Int32
    private let control: Int32
    private let source: any DispatchSourceRead
    private let terminalGroup: Int32
    private var isCollected = false

    /// Starts a guard, which starts the command.
    ///
    /// - Parameters:
    ///   - terminalGroup: to which the terminal goes back; 0: the command gets no terminal.
    ///   - environment: added to that of this process.
    ///   - defaultSignals: those that this process handles or ignores, and the command should not.
    ///   - program: latchctl.
    /// - Throws: ``RunFailure``; no process was started.
    init(
        timing: GuardTiming, deadline: BootTime, terminalGroup: Int32, jeopardyCommand: [String],
        command: [UnsafeMutablePointer<CChar>], environment: [String: String],
        defaultSignals: [Int32], program: String = ownProgram
    ) throws(RunFailure) {
        let orders = try Self.pipe()
        defer { close(orders.read) }
        let answers: (read: Int32, write: Int32)
        do {
            answers = try Self.pipe()
        } catch {
            close(orders.write)
            throw error
        }
        defer { close(answers.write) }
        let arguments = GuardProcess.Setup(
            control: orders.read, report: answers.write, timing: timing, deadline: deadline,
            terminalGroup: terminalGroup, jeopardyCommand: jeopardyCommand.map(cString),
            command: command
        ).arguments
        defer { for text in arguments.dropLast(command.count) { text.deallocate() } }
        let (pid, error) = Spawn(
            path: program, arguments: arguments, kept: [orders.read, answers.write],
            defaultSignals: defaultSignals, environment: environment
        ).start()
        guard error == 0 else {
            close(orders.write)
            close(answers.read)
            throw RunFailure(
                "cannot start the watchdog of the command (\(program))", errno: error)
        }
        self.pid = pid
        self.terminalGroup = terminalGroup
        control = orders.write
        // A guard that is stopped must not stop latchctl, too.
        _ = fcntl(control, F_SETFL, O_NONBLOCK)
        (reports, source) = Self.read(answers.read)
    }

    /// Tells the guard something. One that is gone, or that has not read for long, misses it.
    func send(_ order: GuardOrder) {
        let line = Array((order.line + "\n").utf8)
        _ = write(control, line, line.count)
    }

    /// Lets a guard go on that somebody stopped: it is not there to be stopped.
    func keepRunning() {
        var state = siginfo_t()
        if waitid(P_PID, id_t(pid), &state, WSTOPPED | WNOHANG) == 0, state.si_signo == SIGCHLD {
            kill(pid, SIGCONT)
        }
    }

    /// Does what the guard should have done: kills it, and every process that comes from it and
    /// thereby came to this process, a subreaper. To be repeated until nobody is left.
    ///
    /// - Returns: whether a process is left. That none is, is the kernel's word; `blindness` tells
    ///   that `/proc` could not be read, so that perhaps not all were killed.
    func killAll() -> (isAnyLeft: Bool, blindness: Descendants.Unreadable?) {
        if !isCollected { kill(pid, SIGKILL) }
        func note(_ collected: Int32) { if collected == pid { isCollected = true } }
        var blindness: Descendants.Unreadable?
        do {
            try Children.kill(but: 0, note)
            try Descendants.signal([SIGKILL])
            try Children.kill(but: 0, note)
        } catch {
            blindness = error
        }
        let isAnyLeft = Children.collectEnded(note)
        return (isAnyLeft, blindness)
    }

    /// Collects the guard, which has ended or must end. The sequence of reports ends.
    func end() {
        close(control)
        if !isCollected {
            kill(pid, SIGKILL)
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            isCollected = true
        }
        if terminalGroup != 0 { Terminal.give(to: terminalGroup) }
        source.cancel()
    }

    /// Both ends close on exec.
    static func pipe() throws(RunFailure) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard latchd_pipe(&ends) == 0 else {
            throw RunFailure("cannot make a pipe to the watchdog of the command", errno: errno)
        }
        return (ends[0], ends[1])
    }

    /// The reports from a pipe, until its end or until the source is cancelled, and the source,
    /// which closes the pipe.
    static func read(
        _ descriptor: Int32
    ) -> (reports: AsyncStream<GuardReport>, source: any DispatchSourceRead) {
        let (stream, output) = AsyncStream<GuardReport>.makeStream()
        let queue = DispatchQueue(label: "guard reports")
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let reader = ReportReader()
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        source.setEventHandler {
            // To the end: on Linux no second event comes if the other end was closed before the
            // first was handled.
            while true {
                var chunk = [UInt8](repeating: 0, count: 4_096)
                let count = Foundation.read(descriptor, &chunk, chunk.count)
                guard count > 0 else {
                    if count < 0, errno == EAGAIN { return }
                    return source.cancel()
                }
                for line in reader.lines.take(chunk[..<count]) {
                    if let report = GuardReport(line: line) { output.yield(report) }
                }
            }
        }
        // However it is cancelled, whoever reads comes to an end.
        source.setCancelHandler {
            output.finish()
            close(descriptor)
        }
        source.resume()
        return (stream, source)
    }
}

/// Confined to the queue of the pipe.
private final class ReportReader: @unchecked Sendable {
    var lines = LineBuffer()
}
