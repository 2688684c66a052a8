import CProcess
import Foundation

/// The guard: a process between latchctl and its command, with one thread and one duty, that the
/// command is gone by its deadline whatever happens to latchctl.
///
/// It is the command's parent, so that the number of its process group stays taken until the guard
/// has looked, and a subreaper, so that nothing the command starts gets out of sight.
final class GuardProcess {
    /// The first argument of this mode; ``Setup`` tells the others.
    static let mode = "__guard"

    /// What latchctl passes on the command line.
    struct Setup {
        var control: Int32
        var report: Int32
        var timing: GuardTiming
        var deadline: BootTime
        /// The process group to which the terminal goes back; 0: the command gets no terminal.
        var terminalGroup: Int32
        /// The words of the command for jeopardy; may be none.
        var jeopardyCommand: [UnsafeMutablePointer<CChar>]
        var command: [UnsafeMutablePointer<CChar>]
    }

    private let setup: Setup
    private let timer: Int32
    private let signals: Int32
    private var core: GuardCore
    private var lines = LineBuffer()
    /// 0: not started, or collected.
    private var command: Int32 = 0
    private var isControlOpen = true
    private var isBlind = false
    /// When to look for descendants that are to be killed and are no children, the next time.
    private var nextScan = BootTime(nanoseconds: 0)
    private static let scanningPeriod: Duration = .milliseconds(50)
    private var isFinished = false

    static func main() -> Never {
        guard let setup = Setup(rawArguments) else {
            Console.complain("latchctl: \(mode) is for latchctl run alone")
            exit(RunExit.failure)
        }
        _ = latchd_set_name("latchctl-guard")
        do {
            try GuardProcess(setup).run()
            exit(0)
        } catch {
            // No process was started.
            GuardReport.failed(error.need, errno: error.errno).write(to: setup.report)
            GuardReport.gone.write(to: setup.report)
            exit(RunExit.failure)
        }
    }

    private struct Failure: Error {
        let need: GuardNeed
        let errno: Int32

        /// - Parameter errno: the reason, if it is not the last one that the system gave.
        init(_ need: GuardNeed, errno: Int32 = Foundation.errno) {
            self.need = need
            self.errno = errno
        }
    }

    private init(_ setup: Setup) throws(Failure) {
        self.setup = setup
        core = GuardCore(timing: setup.timing, deadline: setup.deadline)
        for descriptor in [setup.control, setup.report] {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        // Where it is ignored, the kernel collects children itself, and tells nobody.
        signal(SIGCHLD, SIG_DFL)
        // Nothing but SIGKILL and SIGSTOP ends or stops a guard: the signals of a terminal, of a
        // supervisor that signals a whole control group, and of a pipe without a reader are
        // blocked for good.
        var all = sigset_t()
        sigfillset(&all)
        sigprocmask(SIG_SETMASK, &all, nil)
        // One that is stopped when latchctl is killed goes on.
        _ = latchd_signal_at_parents_death(SIGCONT)
        var children = sigset_t()
        sigemptyset(&children)
        sigaddset(&children, SIGCHLD)
        signals = latchd_signal_descriptor(&children)
        guard signals >= 0 else { throw Failure(.signals) }
        timer = latchd_boot_timer()
        guard timer >= 0 else { throw Failure(.timer) }
        guard latchd_become_subreaper() == 0 else { throw Failure(.orphans) }
        let own = latchd_open_process(getpid())
        guard own >= 0 else { throw Failure(.descriptors) }
        close(own)
        do {
            try Descendants.probe()
        } catch {
            throw Failure(.processes, errno: error.errno)
        }
    }

    private func run() throws(Failure) {
        try start()
        while !isFinished {
            let wake = core.wake(after: .now)
            _ = latchd_set_boot_timer(timer, UInt64(max(1, wake.nanoseconds)))
            wait()
            if isControlOpen { readControl() }
            reap()
            step(.tick)
        }
        removeDeadlineFile()
    }

    private func start() throws(Failure) {
        guard BootTime.now < core.latestStart else {
            tell(.late)
            tell(.gone)
            isFinished = true
            return
        }
        let (pid, error) = spawn(
            setup.command, report: setup.report, takesTerminal: setup.terminalGroup != 0)
        guard error == 0 else { throw Failure(.command, errno: error) }
        command = pid
        tell(.started(pid))
    }

    private func spawn(
        _ words: [UnsafeMutablePointer<CChar>], report: Int32 = -1, takesTerminal: Bool = false
    ) -> (pid: Int32, error: Int32) {
        let trampoline = Trampoline(
            guardID: getpid(), latestStart: core.latestStart, report: report,
            takesTerminal: takesTerminal, command: words)
        let kept = report >= 0 ? [report] : []
        return Spawn(path: ownProgram, arguments: trampoline.arguments, kept: kept).start()
    }

    /// Until the timer fires, a child changes, or latchctl says something.
    private func wait() {
        var sources = [
            pollfd(fd: timer, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            pollfd(fd: setup.control, events: Int16(POLLIN), revents: 0),
        ]
        poll(&sources, nfds_t(isControlOpen ? 3 : 2), -1)
        while latchd_next_signal(signals) != 0 {}
    }

    private func readControl() {
        var source = pollfd(fd: setup.control, events: Int16(POLLIN), revents: 0)
        while poll(&source, 1, 0) > 0 {
            var chunk = [UInt8](repeating: 0, count: 4_096)
            let count = read(setup.control, &chunk, chunk.count)
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                isControlOpen = false
                return step(.orphaned)
            }
            for line in lines.take(chunk[..<count]) {
                if let order = GuardOrder(line: line) { step(.order(order)) }
            }
        }
    }

    /// Learns of the command's end without collecting it: as long as it is not collected, its
    /// number, which is that of the group too, means nothing else. Other children are orphans that
    /// came to us.
    private func reap() {
        guard command != 0 else { return }
        var stopped = siginfo_t()
        if setup.terminalGroup != 0,
            waitid(P_PID, id_t(command), &stopped, WSTOPPED | WNOHANG) == 0,
            stopped.si_signo == SIGCHLD
        {
            // Nobody waits on this terminal who could take the command up again.
            step(.order(.signal(SIGCONT)))
        }
        while true {
            var child = siginfo_t()
            guard waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0,
                child.si_signo == SIGCHLD
            else { return }
            let pid = child._sifields._sigchld.si_pid
            let status = child._sifields._sigchld.si_status
            if pid == command {
                let exited = child.si_code == Int32(CLD_EXITED)
                return step(.commandEnded(exited ? .exited(status) : .signaled(status)))
            }
            var collected: Int32 = 0
            waitpid(pid, &collected, 0)
        }
    }

    private func step(_ input: GuardCore.Input) {
        for action in core.handle(input, at: .now) { perform(action) }
    }

    private func perform(_ action: GuardCore.Action) {
        switch action {
        case .signalGroup(let number): signalGroup(number)
        case .signalAll(SIGKILL): killAll()
        case .signalAll(let number): signalAll(number)
        case .lookForLeft: step(.left(isAnyLeft()))
        case .startJeopardyCommand: startJeopardyCommand()
        case .report(let report): tell(report)
        case .finish: isFinished = true
        }
    }

    /// As long as the command is not collected: its number is that of the group.
    private func signalGroup(_ number: Int32) {
        if command != 0 { killpg(command, number) }
    }

    /// Once to each process: many programs take a second SIGTERM for impatience.
    private func signalAll(_ number: Int32) {
        let numbers = number == SIGTERM ? [SIGTERM, SIGCONT] : [number]
        // The group first: it takes one call, and no process of it can slip through.
        for number in numbers { signalGroup(number) }
        look { [command, core] () throws(Descendants.Unreadable) in
            // A look at everybody may take longer than there is time.
            try Descendants.signal(numbers, until: core.latestKill) { $0.group == command }
        }
    }

    private func killAll() {
        signalGroup(SIGKILL)
        look { [command] () throws(Descendants.Unreadable) in
            try Children.kill(but: command)
        }
        // A look at everybody takes long, and the ends of children are not heard meanwhile.
        guard BootTime.now >= nextScan else { return }
        look { () throws(Descendants.Unreadable) in
            try Descendants.signal([SIGKILL])
        }
        nextScan = .now + Self.scanningPeriod
    }

    /// Whether a process of the command is left.
    private func isAnyLeft() -> Bool {
        if command != 0 {
            // This only tells when to ask the kernel: it may miss some.
            let others = look { [command] () throws(Descendants.Unreadable) in
                try Children.living(but: command)
            }
            guard let others, others.isEmpty else { return true }
            var status: Int32 = 0
            waitpid(command, &status, 0)
            command = 0
        }
        return Children.collectEnded()
    }

    /// nil: `/proc` could not be read. That is told once.
    @discardableResult
    private func look<Found>(
        _ body: () throws(Descendants.Unreadable) -> Found
    ) -> Found? {
        do {
            return try body()
        } catch {
            if !isBlind { tell(.blind(errno: error.errno)) }
            isBlind = true
            return nil
        }
    }

    private func startJeopardyCommand() {
        guard !setup.jeopardyCommand.isEmpty else { return }
        setenv("LATCHD_EVENT", "jeopardy", 1)
        _ = spawn(setup.jeopardyCommand)
        unsetenv("LATCHD_EVENT")
    }

    private func tell(_ report: GuardReport) {
        // Before latchctl, which ends the guard when it hears that, can use it itself.
        if report == .gone, setup.terminalGroup != 0 { Terminal.give(to: setup.terminalGroup) }
        report.write(to: setup.report)
    }

    /// Here too, for a latchctl that cannot do it any more.
    private func removeDeadlineFile() {
        guard !isControlOpen, let path = getenv(DeadlineFile.variable) else { return }
        DeadlineFile.remove(String(cString: path))
    }
}

extension GuardProcess.Setup {
    /// The numbers, and where the words of the two commands begin.
    private static let numbers = 2..<10

    init?(_ arguments: [UnsafeMutablePointer<CChar>]) {
        let texts = arguments.map { String(cString: $0) }
        guard texts.count > Self.numbers.upperBound else { return nil }
        let values = texts[Self.numbers].compactMap { Int64($0) }
        guard values.count == Self.numbers.count else { return nil }
        let words = Array(arguments[Self.numbers.upperBound...])
        guard let count = Int(exactly: values[7]), (0..<words.count).contains(count),
            let control = Int32(exactly: values[0]), let report = Int32(exactly: values[1]),
            let terminal = Int32(exactly: values[6])
        else { return nil }
        self.init(
            control: control, report: report,
            timing: GuardTiming(
                killGrace: .nanoseconds(values[3]), margin: .nanoseconds(values[4]),
                jeopardyLead: .nanoseconds(values[5])),
            deadline: BootTime(nanoseconds: values[2]), terminalGroup: terminal,
            jeopardyCommand: Array(words[..<count]), command: Array(words[count...]))
    }

    /// The command line that ``init(_:)`` reads.
    var arguments: [UnsafeMutablePointer<CChar>] {
        let values: [Int64] = [
            Int64(control), Int64(report), deadline.nanoseconds, timing.killGrace.nanoseconds,
            timing.margin.nanoseconds, timing.jeopardyLead.nanoseconds, Int64(terminalGroup),
            Int64(jeopardyCommand.count),
        ]
        return [cString("latchctl"), cString(GuardProcess.mode)] + values.map { cString("\($0)") }
            + jeopardyCommand + command
    }
}
