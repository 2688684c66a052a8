import Foundation

/// How one attempt to run the command under the latch came to its end.
enum RunEnd: Hashable, Sendable {
    /// The command ended by itself.
    case ended(ProcessEnd)
    /// The latch was lost; the command, if it ran, was ended for that.
    case lost(String)
    /// Somebody else holds the latch, and waiting was not wanted.
    case busy(holder: String?)
    /// The latch was not got in time.
    case notInTime
    /// A signal came before the command ran, or before the latch was lost under it.
    case interrupted(Int32)
    /// The cluster did not answer, or refused. Worth a repetition or not.
    case refused(String, isWorthRetrying: Bool)
    /// latchctl or its guard failed.
    case failed(String)

    /// What latchctl exits with.
    var code: Int32 {
        switch self {
        case .ended(let end): end.code
        case .lost: RunExit.lost
        case .busy: RunExit.busy
        case .notInTime: RunExit.notInTime
        case .interrupted(let number): 128 + number
        case .refused: RunExit.unreachable
        case .failed: RunExit.failure
        }
    }
}

/// What the user asked of `latchctl run`.
struct RunRules: Sendable {
    var budget: RunBudget
    /// `--wait`: how long to wait for the latch; nil: for ever.
    var wait: Duration?
    /// `--if-free`.
    var isOnlyIfFree = false
    /// `--retry`.
    var isRetried = false

    /// How long to pause before another attempt; nil: there is none.
    ///
    /// - Parameters:
    ///   - end: of the attempt before.
    ///   - waited: since this wait for the latch began.
    func pause(after end: RunEnd, waited: Duration) -> Duration? {
        switch end {
        case .ended, .busy, .notInTime, .interrupted, .failed: return nil
        case .lost: return isRetried ? .milliseconds(100) : nil
        case .refused(_, let isWorthRetrying):
            guard isWorthRetrying else { return nil }
            if let wait { return waited < wait ? .milliseconds(500) : nil }
            return isRetried ? .milliseconds(500) : nil
        }
    }
}

/// Decides, on latchctl's side, what happens from joining a latch to the end of the command. A
/// value: time is an argument. The guard decides beside it, and either alone is enough.
struct RunCore {
    enum Input: Hashable, Sendable {
        case queued(position: Int, holder: String?)
        case holding(RunGrant)
        /// A renewal was acknowledged: the latch is certainly held until then.
        case renewed(BootTime)
        case lost(String)
        case refused(String, isWorthRetrying: Bool)
        case signal(Int32)
        case report(GuardReport)
        /// The guard could not be started.
        case notStarted(String)
        /// The guard ended without having said that the command is gone; no report comes any more.
        case guardVanished
        /// The answer to ``Action/kill``.
        case killed(isAnyLeft: Bool)
        case tick
    }

    enum Action: Hashable, Sendable {
        case say(String)
        /// Says what must not be missed.
        case warn(String)
        case start(RunGrant)
        case order(GuardOrder)
        /// Write the deadline for the command to read.
        case publish(RunGrant)
        /// Kill the guard and every process of the command. Answer with
        /// ``Input/killed(isAnyLeft:)``.
        case kill
        case finish(RunEnd)
    }

    private enum Phase {
        case waiting
        case running(RunGrant)
        case over
    }

    private let rules: RunRules
    private let waitUntil: BootTime?
    private var phase = Phase.waiting
    private var loss: String?
    private var end: ProcessEnd?
    private var failure: String?
    /// The signal by which somebody wanted the command to end: after a loss it is not run again,
    /// however long it took to end. HUP and QUIT, which many commands survive, are none.
    private var ending: Int32?
    private var isStarted = false
    /// The command's processes are killed from here, at every tick until none is left.
    private var isKilling = false
    /// The guard is gone, and every report of it is known.
    private var isVanished = false
    private var isOverdue = false

    /// Signals that end a wait.
    static let endingSignals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    init(rules: RunRules, waitUntil: BootTime?) {
        self.rules = rules
        self.waitUntil = waitUntil
    }

    mutating func handle(_ input: Input, at now: BootTime) -> [Action] {
        switch phase {
        case .waiting: return handleWaiting(input, now)
        case .running(let grant): return handleRunning(input, grant, now)
        case .over: return []
        }
    }

    private mutating func handleWaiting(_ input: Input, _ now: BootTime) -> [Action] {
        switch input {
        case .queued(let position, let holder):
            if rules.isOnlyIfFree { return finish(.busy(holder: holder)) }
            let name = holder.map(printable) ?? "nobody"
            return [.say("waiting, position \(position) behind \(name)")] + checkWait(now)
        case .holding(let grant):
            phase = .running(grant)
            return [.publish(grant), .start(grant)]
        case .lost(let reason): return finish(.lost(reason))
        case .refused(let reason, let isWorthRetrying):
            return finish(.refused(reason, isWorthRetrying: isWorthRetrying))
        case .signal(let number):
            return Self.endingSignals.contains(number) ? finish(.interrupted(number)) : []
        case .tick: return checkWait(now)
        case .renewed, .report, .notStarted, .guardVanished, .killed: return []
        }
    }

    private mutating func checkWait(_ now: BootTime) -> [Action] {
        guard let waitUntil, now >= waitUntil else { return [] }
        return finish(.notInTime)
    }

    private mutating func handleRunning(
        _ input: Input, _ grant: RunGrant, _ now: BootTime
    ) -> [Action] {
        switch input {
        case .holding(let other):
            guard other.fencingToken == grant.fencingToken else {
                return lose("the latch was taken away and given back")
            }
            return renew(grant, until: other.deadline)
        case .renewed(let deadline): return renew(grant, until: deadline)
        case .queued(_, let holder):
            return lose("the latch was handed over to \(holder.map(printable) ?? "nobody")")
        case .lost(let reason), .refused(let reason, _): return lose(reason)
        case .signal(let number):
            if number == SIGINT || number == SIGTERM { ending = number }
            return [.order(.signal(number))]
        case .report(let report): return take(report)
        case .notStarted(let reason): return finish(.failed(reason))
        case .guardVanished: return vanish()
        case .killed(isAnyLeft: true): return warnIfOverdue(grant, now)
        case .killed(isAnyLeft: false):
            // What the guard may have said before counts: all of it is waited for.
            return isVanished ? finish(conclusion) : []
        case .tick:
            // The guard has had its time: it does not run. It is not waited for any longer.
            let backstop = grant.deadline - rules.budget.margin + rules.budget.margin / 2
            if now >= backstop { isKilling = true }
            return isKilling ? [.kill] : []
        }
    }

    private mutating func vanish() -> [Action] {
        // One that was too late was killed from here.
        if !isKilling {
            failure =
                isStarted
                ? "the watchdog of the command was killed, so the command was, too"
                : """
                the watchdog of the command ended before it had started the command: it was killed. \
                journalctl -k tells whether memory was short
                """
        }
        isVanished = true
        isKilling = true
        return [.kill]
    }

    /// In words: `/proc` cannot be read while the command is being ended.
    static func blindness(_ why: RunFailure) -> String {
        "WARNING: perhaps not all processes get signals, and the command is not taken for ended: \(why.message)"
    }

    private mutating func warnIfOverdue(_ grant: RunGrant, _ now: BootTime) -> [Action] {
        guard now >= grant.deadline, !isOverdue else { return [] }
        isOverdue = true
        return [.warn("WARNING: processes of the command are left at the deadline")]
    }

    private mutating func renew(_ grant: RunGrant, until deadline: BootTime) -> [Action] {
        guard deadline > grant.deadline, loss == nil else { return [] }
        var grant = grant
        grant.deadline = deadline
        phase = .running(grant)
        return [.order(.deadline(deadline)), .publish(grant)]
    }

    private mutating func lose(_ reason: String) -> [Action] {
        guard loss == nil, end == nil else { return [] }
        loss = reason
        return [.order(.end), .say("LOST: \(reason); ending the command")]
    }

    private mutating func take(_ report: GuardReport) -> [Action] {
        switch report {
        case .started(let pid):
            isStarted = true
            return [.say("the command runs as process \(pid)")]
        case .failed(let need, let number):
            failure =
                RunFailure("the watchdog of the command cannot \(need.words)", errno: number)
                .message
            return []
        case .late:
            loss = "the deadline had come before the command could be started"
            return []
        case .blind(let number):
            return [
                .warn(Self.blindness(RunFailure("the watchdog cannot read /proc", errno: number)))
            ]
        case .jeopardy:
            return [.say("JEOPARDY: no renewal was acknowledged for half of the TTL")]
        case .ending(.deadline):
            guard loss == nil else { return [] }
            loss = "no renewal was acknowledged in time"
            return [.say("LOST: no renewal was acknowledged in time; ending the command")]
        case .ending(.finished): return [.say("the command left processes behind; ending them")]
        case .ending(.told), .ending(.orphaned): return []
        case .exited(let how):
            end = how
            return []
        case .gone: return finish(conclusion)
        }
    }

    /// How it ended, once no process is left.
    private var conclusion: RunEnd {
        if let failure { return .failed(failure) }
        if let loss { return .lost(loss) }
        // Killed from here, by the backstop.
        if isKilling, end == nil || end == .signaled(SIGKILL) {
            return .lost("the deadline passed")
        }
        return end.map(RunEnd.ended) ?? .failed("the command ended without a code")
    }

    private mutating func finish(_ end: RunEnd) -> [Action] {
        phase = .over
        if case .lost = end, let ending { return [.finish(.interrupted(ending))] }
        return [.finish(end)]
    }
}

/// The right to run the command, for a while.
struct RunGrant: Hashable, Sendable {
    var fencingToken: UInt64
    var term: UInt64
    /// The latch is certainly held until then.
    var deadline: BootTime
}
