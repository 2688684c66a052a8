import CProcess
import Dispatch
import Foundation

/// latchctl's hold on the guard of its command: the process, the pipe to it, and the pipe back.
final class GuardLink {
    /// What it reports; the end of the sequence is the end of the guard.
    let reports: AsyncStream<GuardReport>

    let pid: Int32
    private let control: Int32
    private let source: any DispatchSourceRead

    /// Starts a guard, which starts the command.
    ///
    /// - Parameters:
    ///   - environment: added to that of this process.
    ///   - defaultSignals: those that this process handles or ignores, and the command should not.
    /// - Throws: ``RunFailure``.
    init(
        timing: GuardTiming, deadline: BootTime, terminalGroup: Int32, jeopardyCommand: [String],
        command: [UnsafeMutablePointer<CChar>], environment: [String: String],
        defaultSignals: [Int32]
    ) throws {
        let orders = try Self.pipe()
        let answers = try Self.pipe()
        let setup = GuardProcess.Setup(
            control: orders.read, report: answers.write, timing: timing, deadline: deadline,
            terminalGroup: terminalGroup, jeopardyCommand: jeopardyCommand.map(cString),
            command: command)
        let (pid, error) = Spawn(
            path: ownProgram, arguments: setup.arguments, kept: [orders.read, answers.write],
            defaultSignals: defaultSignals, environment: environment
        ).start()
        close(orders.read)
        close(answers.write)
        guard error == 0 else {
            close(orders.write)
            close(answers.read)
            throw RunFailure("cannot start a guard: \(String(cString: strerror(error)))")
        }
        self.pid = pid
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

    /// Collects the guard, and what it left to us, once it has ended or must end.
    func end() {
        close(control)
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        while waitpid(-1, &status, WNOHANG) > 0 {}
        source.cancel()
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard latchd_pipe(&ends) == 0 else {
            throw RunFailure("cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        return (ends[0], ends[1])
    }

    private static func read(
        _ descriptor: Int32
    ) -> (reports: AsyncStream<GuardReport>, source: any DispatchSourceRead) {
        let (stream, output) = AsyncStream<GuardReport>.makeStream()
        let queue = DispatchQueue(label: "guard reports")
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let reader = ReportReader()
        source.setEventHandler {
            var chunk = [UInt8](repeating: 0, count: 4_096)
            let count = Foundation.read(descriptor, &chunk, chunk.count)
            guard count > 0 else {
                output.finish()
                source.cancel()
                return
            }
            for line in reader.lines.take(chunk[..<count]) {
                if let report = GuardReport(line: line) { output.yield(report) }
            }
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
        return (stream, source)
    }
}

/// Confined to the queue of the pipe.
private final class ReportReader: @unchecked Sendable {
    var lines = LineBuffer()
}
