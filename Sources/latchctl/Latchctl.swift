import ArgumentParser

/// The command line of a latchd cluster.
struct Latchctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latchctl",
        abstract: "Looks at a latchd cluster and takes part in its latches.",
        discussion: """
            Any node answers any command; a node that does not answer is passed over. Name several:

              latchctl status --endpoints 10.0.0.1:7401,10.0.0.2:7401,10.0.0.3:7401
              export LATCHCTL_ENDPOINTS=10.0.0.1:7401,10.0.0.2:7401,10.0.0.3:7401
              latchctl run nightly-report -- /usr/local/bin/report
              latchctl why nightly-report

            Exit codes: 0 done, 1 the cluster refused or did not answer, or an answer was lost, 2 status: no leader \
            or no quorum, doctor: a warning, 3 hold: the latch was lost, 4 no such latch or participant, 64 wrong \
            usage, 78 config check: a file cannot be used, 130 interrupted twice. latchctl run has codes of its own: \
            latchctl help run.

            Colours are for terminals; NO_COLOR=1 takes them away there too.
            """,
        version: "latchctl \(latchctlVersion)",
        subcommands: [
            Run.self, Hold.self, Get.self, List.self, Watch.self, Queue.self, History.self,
            Why.self, Evict.self, Handover.self, Delete.self, Status.self, Doctor.self, Config.self,
        ])
}

extension Latchctl {
    /// What is wrong with the first word: no verb, or an option of one. In more words than the
    /// "unexpected argument" that it is to the parser, and nil if that one is to judge.
    static func objection(to arguments: [String]) -> String? {
        guard let first = arguments.first else { return nil }
        let verbs = configuration.subcommands.map { type in
            type.configuration.commandName ?? "\(type)".lowercased()
        }
        guard first.hasPrefix("-") else {
            guard !(verbs + ["help"]).contains(first) else { return nil }
            let alike = first.isEmpty ? [] : verbs.filter { $0.hasPrefix(first.prefix(2)) }
            let guess = alike.isEmpty ? "" : " Did you mean \(alike.joined(separator: " or "))?"
            return """
                there is no verb "\(printable(first))".\(guess)
                The verbs: \(verbs.joined(separator: ", ")). latchctl --help tells what they do.
                """
        }
        let verb = arguments.dropFirst().first(where: verbs.contains)
        guard let verb, !["-h", "--help", "--help-hidden", "--version"].contains(first),
            !first.hasPrefix("---")
        else { return nil }
        return "options stand after the verb: latchctl \(verb) \(printable(first)) …"
    }
}

/// The version of the program, equal to that of latchd.
let latchctlVersion = "0.1.0-dev"

/// What latchctl exits with.
enum Exit {
    /// The cluster refused or did not answer, or it is not known what it did.
    static let failure = ExitCode(1)
    /// `status`: no leader, or no quorum, or no node answered.
    static let unhealthy = ExitCode(2)
    /// `hold`: the latch was lost.
    static let lost = ExitCode(3)
    /// No such latch, or no such participant.
    static let notFound = ExitCode(4)
    /// A second Ctrl-C.
    static let interrupted: Int32 = 130
    /// The reader of our output is gone, as if by SIGPIPE.
    static let brokenPipe: Int32 = 141
}
