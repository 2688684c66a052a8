import ArgumentParser
import Foundation
import LatchClient

/// `latchctl run`.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a command while it holds a latch, and never longer.",
        discussion: """
            Waits for the latch, runs the command without a shell in a process group of its own, renews the session \
            while it runs, and leaves the latch when it has ended. When the latch is lost, all processes of the \
            command get SIGTERM and then SIGKILL, so that they are gone before the cluster can let another hold it. A \
            watchdog process sees to that by a clock of its own, also when latchctl is stopped or killed.

            The command finds in its environment: LATCHD_LATCH, LATCHD_NAMESPACE, LATCHD_PARTICIPANT, \
            LATCHD_FENCING_TOKEN (hand it to what the latch protects, and refuse smaller ones there), LATCHD_TERM, \
            LATCHCTL_ENDPOINTS, and LATCHD_DEADLINE_FILE: a JSON file, replaced at every renewal, that says until when \
            the latch is certainly held.

            Signals (HUP, INT, QUIT, TERM, USR1, USR2, WINCH) are passed on to the command's process group; while \
            waiting, the first four end latchctl. What the command leaves running when it ends is ended, too.

            Examples:
              latchctl run nightly-report -- /usr/local/bin/report --all
              latchctl run --retry --ttl 5s worker -- ./worker --queue mail
              latchctl run --if-free backup -- rsync -a /srv /backup
              latchctl run --wait 30s migrate -- sh -c './migrate --fence "$LATCHD_FENCING_TOKEN"'
              latchctl run --on-jeopardy 'pkill -USR1 -f ./worker' worker -- ./worker

            Exit codes: that of the command, or 128 and the number of the signal that ended it (or the wait); \
            121 the latch was lost, 122 the cluster did not answer or refused, 123 --if-free, --once: somebody else \
            holds it, 124 not got within --wait, 125 latchctl or its watchdog failed, 126 the command cannot be \
            executed, 127 it was not found, 64 wrong usage.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The command and its arguments, after --.", valueName: "command"))
    var command: [String] = []

    @OptionGroup var participant: ParticipantOptions

    @Option(
        help: ArgumentHelp(
            "How long the session outlives its last renewal, 200ms to 24h. Default: 10s.",
            valueName: "duration"),
        transform: TimeSpan.parse)
    var ttl: TimeSpan = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "Between SIGTERM and SIGKILL when the latch is lost. Default: a quarter of the TTL, at most 10s.",
            valueName: "duration"),
        transform: TimeSpan.parse)
    var killGrace: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "How long to wait for the latch, and for the cluster to answer. Default: for ever; 5s for the cluster.",
            valueName: "duration"),
        transform: TimeSpan.parse)
    var wait: TimeSpan?

    @Flag(
        name: [.customLong("if-free"), .customLong("once")],
        help: "Try once: exit with 123 if somebody else holds the latch. --wait 0s is the same.")
    var ifFree = false

    @Flag(
        help:
            "After a loss, and while the cluster does not answer, try again and run the command again."
    )
    var retry = false

    @Option(
        help: ArgumentHelp(
            "A command to run when half of the TTL has passed without a renewal. Split at spaces; quotes count.",
            valueName: "command"))
    var onJeopardy: String?

    @Flag(name: .shortAndLong, help: "Say nothing on standard error but what went wrong.")
    var quiet = false

    private var budget: RunBudget { RunBudget(ttl: ttl.duration, killGrace: killGrace?.duration) }

    /// What was asked for.
    var rules: RunRules {
        let isWaiting = wait?.duration != .zero
        return RunRules(
            budget: budget, wait: isWaiting ? wait?.duration : nil,
            isOnlyIfFree: ifFree || !isWaiting, isRetried: retry)
    }

    mutating func validate() throws {
        guard !command.isEmpty else {
            throw ValidationError("Name the command after --, as in: latchctl run NAME -- CMD ARG…")
        }
        guard ttl.duration <= .seconds(86_400) else {
            throw ValidationError("--ttl may be at most 24h, not \(ttl).")
        }
        if let objection = budget.objection { throw ValidationError(objection + ".") }
        if retry, rules.isOnlyIfFree {
            throw ValidationError(
                "--retry waits for the latch again after a loss; leave it out, or --if-free (--once, --wait 0s)."
            )
        }
        if let onJeopardy, (commandWords(onJeopardy) ?? []).isEmpty {
            throw ValidationError("--on-jeopardy is empty, or a quote in it is not closed.")
        }
    }

    func run() async throws {
        #if !os(Linux)
        throw ValidationError(
            "latchctl run needs Linux: its watchdog is made of what only Linux has.")
        #else
        // Before the network library opens any.
        let inherited = Descriptors.current
        let plan = RunSession.Plan(
            name: latch.name, namespace: latch.namespace,
            participant: participant.makeName(),
            rules: rules,
            command: Array(rawArguments.suffix(command.count)),
            jeopardyCommand: onJeopardy.flatMap(commandWords) ?? [],
            endpoints: ClusterOptions.endpointTexts(
                cluster.endpoints, environment: ProcessInfo.processInfo.environment
            ).joined(separator: ","),
            isQuiet: quiet, inherited: inherited)
        let cluster = try cluster.makeCluster()
        let end: RunEnd
        do {
            let session = try RunSession(plan, cluster: cluster)
            end = await session.run()
            session.tell(end, nil)
        } catch let failure as RunFailure {
            Console.mention("latchctl: \(failure.message)")
            end = .failed(failure.message)
        }
        await cluster.shutdown()
        Console.finishMentions(within: 1)
        throw ExitCode(end.code)
        #endif
    }
}
