import Foundation

/// The spans of a ``RunBudget`` that matter to a guard.
struct GuardTiming: Hashable, Sendable {
    /// Between SIGTERM and SIGKILL.
    var killGrace: Duration
    /// Between SIGKILL and the deadline.
    var margin: Duration
    /// How long before the deadline the latch counts as in danger.
    var jeopardyLead: Duration
}

/// Decides what the guard of a command does at which moment. A value: time is an argument.
///
/// Invariant: from `deadline - margin` on every look at the time answers with SIGKILL for all of
/// the command's processes until none is left, whatever was said before.
struct GuardCore {
    enum Input: Hashable {
        case order(GuardOrder)
        /// The pipe from latchctl is closed: it is gone.
        case orphaned
        case commandEnded(ProcessEnd)
        /// The answer to ``Action/lookForLeft``.
        case left(Bool)
        /// Nothing but time has passed.
        case tick
    }

    enum Action: Hashable {
        /// To the process group.
        case signalGroup(Int32)
        /// To every process that comes from the command, whatever its group. SIGCONT goes with
        /// SIGTERM: a process that is stopped takes that only when it goes on.
        case signalAll(Int32)
        /// Answer with ``Input/left(_:)`` whether a process of the command is left. Comes only
        /// after ``Input/commandEnded(_:)``.
        case lookForLeft
        case startJeopardyCommand
        case report(GuardReport)
        /// The guard's work is done.
        case finish
    }

    /// How often to look whether processes are left while they are being ended.
    static let lookingPeriod: Duration = .milliseconds(10)

    private let timing: GuardTiming
    private var deadline: BootTime
    private var isWarned = false
    /// Set once the command is being ended: when SIGKILL comes at the latest.
    private var ending: (reason: GuardReason, killAt: BootTime)?
    private var end: ProcessEnd?
    private var wasTerminated = false
    private var isOver = false

    init(timing: GuardTiming, deadline: BootTime) {
        self.timing = timing
        self.deadline = deadline
    }

    private var killAt: BootTime { deadline - timing.margin }
    private var termAt: BootTime { killAt - timing.killGrace }
    private var jeopardyAt: BootTime { deadline - timing.jeopardyLead }

    /// From here on it is too late to start the command at all.
    var latestStart: BootTime { termAt }

    /// From here on SIGKILL is due, and whatever takes time before it must be over.
    var latestKill: BootTime { ending?.killAt ?? killAt }

    /// When to come back with a ``Input/tick`` at the latest.
    func wake(after now: BootTime) -> BootTime {
        guard let ending else { return isWarned ? termAt : min(jeopardyAt, termAt) }
        if end == nil, now < ending.killAt { return ending.killAt }
        return now + Self.lookingPeriod
    }

    mutating func handle(_ input: Input, at now: BootTime) -> [Action] {
        guard !isOver else { return [] }
        switch input {
        case .order(.deadline(let moment)):
            guard moment > deadline else { return check(now) }
            deadline = moment
            isWarned = now >= jeopardyAt && isWarned
            return check(now)
        case .order(.end): return begin(.told, now) + check(now)
        case .order(.signal(let number)): return [.signalGroup(number)] + check(now)
        case .orphaned: return begin(.orphaned, now) + check(now)
        case .commandEnded(let how):
            guard end == nil else { return check(now) }
            end = how
            let actions: [Action] = [.report(.exited(how))]
            // There is a look before what it left behind is signalled: usually there is nothing.
            if ending == nil { ending = (.finished, min(now + timing.killGrace, killAt)) }
            return actions + [.lookForLeft]
        case .left(let isAnyLeft): return looked(isAnyLeft)
        case .tick: return check(now)
        }
    }

    private mutating func begin(_ reason: GuardReason, _ now: BootTime) -> [Action] {
        guard ending == nil || (ending?.reason == .finished && !wasTerminated) else { return [] }
        ending = (reason, min(now + timing.killGrace, killAt))
        wasTerminated = true
        return [.report(.ending(reason)), .signalAll(SIGTERM)]
    }

    private mutating func check(_ now: BootTime) -> [Action] {
        var actions: [Action] = []
        if ending == nil {
            if !isWarned, now >= jeopardyAt {
                isWarned = true
                actions += [.report(.jeopardy), .startJeopardyCommand]
            }
            guard now >= termAt else { return actions }
            actions += begin(.deadline, now)
        }
        guard let ending else { return actions }
        // A later deadline never takes back a moment that was set; an earlier one does not come.
        if now >= ending.killAt { actions.append(.signalAll(SIGKILL)) }
        if end != nil { actions.append(.lookForLeft) }
        return actions
    }

    private mutating func looked(_ isAnyLeft: Bool) -> [Action] {
        guard isAnyLeft else {
            isOver = true
            return [.report(.gone), .finish]
        }
        guard !wasTerminated else { return [] }
        wasTerminated = true
        return [.report(.ending(.finished)), .signalAll(SIGTERM)]
    }
}
