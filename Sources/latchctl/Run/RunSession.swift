import CProcess
import Foundation
import LatchClient

/// Carries out what ``RunCore`` decides: joins the latch, starts the guard, tells it the deadline,
/// leaves.
final class RunSession {
    /// What is to be run, and as whom.
    struct Plan {
        var name: String
        var namespace: String
        var participant: String
        var rules: RunRules
        var command: [UnsafeMutablePointer<CChar>]
        var jeopardyCommand: [String]
        /// For `latchctl` within the command.
        var endpoints: String
        var isQuiet: Bool
        /// What the command gets of this process's descriptors.
        var inherited: Descriptors
    }

    private typealias Inputs = AsyncStream<Event>

    /// What happened, and in which attempt.
    private struct Event: Sendable {
        let attempt: Int
        let input: RunCore.Input
    }

    private let plan: Plan
    private let cluster: LatchCluster
    private let inputs: Inputs
    private let output: Inputs.Continuation
    private let signals: RunSignals
    private let file: DeadlineFile
    private var attempt = 0
    private var core: RunCore
    private var link: GuardLink?
    private var hasComplainedOfFile = false
    private var isBlind = false
    /// Signals count for every attempt.
    private static let anyAttempt = -1

    init(_ plan: Plan, cluster: LatchCluster) throws {
        guard access(ownProgram, X_OK) == 0 else {
            throw RunFailure(
                "cannot find the program of the watchdog (\(ownProgram))", errno: errno)
        }
        self.plan = plan
        self.cluster = cluster
        let (inputs, output) = Inputs.makeStream()
        (self.inputs, self.output) = (inputs, output)
        signals = RunSignals { output.yield(Event(attempt: Self.anyAttempt, input: .signal($0))) }
        core = RunCore(rules: plan.rules, waitUntil: nil)
        // Whatever the guard leaves when it is killed comes to us.
        guard latchd_become_subreaper() == 0 else {
            throw RunFailure("cannot \(GuardNeed.orphans.words)", errno: errno)
        }
        file = try DeadlineFile()
        if Children.collectEnded() {
            say(
                """
                WARNING: latchctl has child processes that it did not start, as after `helper & exec latchctl …`. \
                If its watchdog is killed, they are ended, too.
                """)
        }
    }

    /// Attempts until one is the last; returns its end.
    func run() async -> RunEnd {
        defer { file.remove() }
        say(plan.rules.budget.explanation)
        var waitsSince = BootTime.now
        while true {
            let end = await runOnce(waitsSince: waitsSince)
            let waited = BootTime.now - waitsSince
            guard let pause = plan.rules.pause(after: end, waited: waited) else { return end }
            tell(end, "trying again")
            if let number = await self.pause(pause) { return .interrupted(number) }
            if case .lost = end { waitsSince = .now }
        }
    }

    /// nil, or the signal that ended the pause.
    private func pause(_ span: Duration) async -> Int32? {
        attempt += 1
        let number = attempt
        let timer = Task { [output] in
            try? await Task.sleep(for: span)
            output.yield(Event(attempt: number, input: .tick))
        }
        defer { timer.cancel() }
        for await event in inputs {
            if case .signal(let signal) = event.input, RunCore.endingSignals.contains(signal) {
                return signal
            }
            if event.attempt == number { return nil }
        }
        return nil
    }

    // MARK: One attempt

    private func runOnce(waitsSince: BootTime) async -> RunEnd {
        attempt += 1
        core = RunCore(rules: plan.rules, waitUntil: plan.rules.wait.map { waitsSince + $0 })
        let joining = join(attempt: attempt)
        let ticking = tick(attempt: attempt)
        let end = await follow()
        ticking.cancel()
        joining.cancel()
        link?.end()
        link = nil
        await joining.value
        await leave(after: end)
        return end
    }

    private let held = Held()

    private func join(attempt: Int) -> Task<Void, Never> {
        let participation = Participation(plan: plan, cluster: cluster, held: held)
        let output = output
        return Task {
            await participation.follow { output.yield(Event(attempt: attempt, input: $0)) }
        }
    }

    /// Looks at the deadline every so often. Learning of a renewal late is harmless: the guard is
    /// only more careful than it need be.
    private func tick(attempt: Int) -> Task<Void, Never> {
        let period = min(max(plan.rules.budget.ttl / 40, .milliseconds(5)), .milliseconds(250))
        return Task { [output, held] in
            var last: ContinuousClock.Instant?
            while !Task.isCancelled {
                if let grant = held.current?.grant, grant.deadline != last {
                    last = grant.deadline
                    let deadline = BootTime(noLaterThan: grant.deadline)
                    output.yield(Event(attempt: attempt, input: .renewed(deadline)))
                }
                output.yield(Event(attempt: attempt, input: .tick))
                try? await Task.sleep(for: period)
            }
        }
    }

    private func follow() async -> RunEnd {
        for await event in inputs
        where event.attempt == attempt || event.attempt == Self.anyAttempt {
            link?.keepRunning()
            var open = core.handle(event.input, at: .now)[...]
            while let action = open.popFirst() {
                if case .finish(let end) = action { return end }
                open += perform(action).flatMap { core.handle($0, at: .now) }
            }
        }
        return .failed("the inputs ended")
    }

    /// Does it; returns what comes of it.
    private func perform(_ action: RunCore.Action) -> [RunCore.Input] {
        switch action {
        case .say(let text): say(text)
        case .warn(let text): Console.mention("latchctl: \(text)")
        case .start(let grant): return start(grant)
        case .order(let order): link?.send(order)
        case .publish(let grant): publish(grant)
        case .kill: return killAll()
        case .finish: break
        }
        return []
    }

    private func start(_ grant: RunGrant) -> [RunCore.Input] {
        say("HOLDING token \(grant.fencingToken), term \(grant.term)")
        do {
            plan.inherited.closeOthersOnExec()
            let link = try GuardLink(
                timing: plan.rules.budget.timing, deadline: grant.deadline,
                terminalGroup: Self.ownTerminalGroup(), jeopardyCommand: plan.jeopardyCommand,
                command: plan.command, environment: environment(grant),
                defaultSignals: signals.defaults)
            self.link = link
            let number = attempt
            Task { [output, reports = link.reports] in
                var isGone = false
                for await report in reports {
                    if report == .gone { isGone = true }
                    output.yield(Event(attempt: number, input: .report(report)))
                }
                if !isGone { output.yield(Event(attempt: number, input: .guardVanished)) }
            }
            return []
        } catch {
            return [.notStarted(error.message)]
        }
    }

    /// Ours, if the terminal is ours to give away; else 0.
    private static func ownTerminalGroup() -> Int32 {
        let group = getpgrp()
        return isatty(0) == 1 && tcgetpgrp(0) == group ? group : 0
    }

    private func environment(_ grant: RunGrant) -> [String: String] {
        [
            "LATCHD_LATCH": plan.name, "LATCHD_NAMESPACE": plan.namespace,
            "LATCHD_PARTICIPANT": plan.participant,
            "LATCHD_FENCING_TOKEN": String(grant.fencingToken), "LATCHD_TERM": String(grant.term),
            DeadlineFile.variable: file.path, "LATCHCTL_ENDPOINTS": plan.endpoints,
        ]
    }

    private func publish(_ grant: RunGrant) {
        let left = milliseconds(grant.deadline - .now)
        let unix = Int64(Date().timeIntervalSince1970 * 1_000) + left
        do {
            try file.write(
                DeadlineFile.Content(
                    namespace: plan.namespace, latch: plan.name, participant: plan.participant,
                    fencingToken: String(grant.fencingToken), term: grant.term,
                    deadlineBoottimeNs: grant.deadline.nanoseconds, deadlineUnixMs: unix))
        } catch {
            guard !hasComplainedOfFile else { return }
            hasComplainedOfFile = true
            say("WARNING: cannot write \(file.path): \(error)")
        }
    }

    private func killAll() -> [RunCore.Input] {
        guard let link else { return [] }
        let (isAnyLeft, blindness) = link.killAll()
        if let blindness, isAnyLeft, !isBlind {
            isBlind = true
            let why = RunFailure("latchctl cannot read /proc", errno: blindness.errno)
            Console.mention("latchctl: \(RunCore.blindness(why))")
        }
        return [.killed(isAnyLeft: isAnyLeft)]
    }

    private func leave(after end: RunEnd) async {
        guard let hold = held.take() else { return }
        do {
            try await hold.leave()
        } catch {
            if case .lost = end { return }
            say("the session was not closed; it ends by itself within \(plan.rules.budget.ttl)")
        }
    }

    // MARK: Words

    func tell(_ end: RunEnd, _ next: String?) {
        switch end {
        case .ended(.exited): break
        case .ended(.signaled(let number)): say("the command was ended by signal \(number)")
        case .lost(let reason):
            say("the latch was lost: \(reason)" + (next.map { "; \($0)" } ?? ""))
        case .busy(let holder): say("held by \(holder.map(printable) ?? "somebody else")")
        case .notInTime: say("not got in time")
        case .interrupted(let number): say("ended by signal \(number)")
        case .refused(let reason, _):
            // The reason has several lines, and ends with what to do.
            Console.mention(reason)
            if let next { Console.mention("latchctl: \(next)") }
        case .failed(let reason): Console.mention("latchctl: \(reason)")
        }
    }

    private func say(_ text: String) {
        if !plan.isQuiet { Console.mention("latchctl: \(text)") }
    }
}
