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
        /// The guard ended without having said that the command is gone.
        case guardVanished
        /// After ``Action/kill``: no process of the command is left.
        case allKilled
        case tick
    }

    enum Action: Hashable, Sendable {
        case say(String)
        case start(RunGrant)
        case order(GuardOrder)
        /// Write the deadline for the command to read.
        case publish(RunGrant)
        /// Kill every process of the command, without the guard. Answer with ``Input/allKilled``.
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
    /// The signal that told the command to end: after a loss it is not run again.
    private var ending: Int32?
    /// The command's processes are killed from here, at every tick until none is left.
    private var isKilling = false

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
        case .renewed, .report, .guardVanished, .allKilled: return []
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
            if Self.endingSignals.contains(number) { ending = number }
            return [.order(.signal(number))]
        case .report(let report): return take(report)
        case .guardVanished:
            failure = "the watchdog of the command was killed, so the command was, too"
            isKilling = true
            return [.kill]
        case .allKilled:
            return finish(failure.map(RunEnd.failed) ?? .lost(loss ?? "the deadline passed"))
        case .tick:
            // The guard has had its time: it does not run. It is not waited for any longer.
            let backstop = grant.deadline - rules.budget.margin + rules.budget.margin / 2
            if now >= backstop { isKilling = true }
            return isKilling ? [.kill] : []
        }
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
        return [.say("LOST: \(reason); ending the command"), .order(.end)]
    }

    private mutating func take(_ report: GuardReport) -> [Action] {
        switch report {
        case .started(let pid): return [.say("the command runs as process \(pid)")]
        case .failed(let number):
            let reason = String(cString: strerror(number))
            if number == ETIME {
                loss = "the deadline had come before the command could be started"
            } else {
                failure = "the command could not be started: \(reason)"
            }
            return []
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
        case .overdue:
            return [.say("WARNING: processes of the command are left at the deadline")]
        case .gone:
            if let failure { return finish(.failed(failure)) }
            if let loss { return finish(.lost(loss)) }
            return finish(end.map(RunEnd.ended) ?? .failed("the command ended without a code"))
        }
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
