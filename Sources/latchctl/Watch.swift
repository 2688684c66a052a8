import ArgumentParser
import LatchClient

/// `latchctl watch`.
struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prints the state of a latch now and after every change.",
        discussion: """
            Goes on through another node when one fails. Ends with Ctrl-C. What happens to the connection is told on \
            standard error, the latch's states on standard output. A latch that does not exist is waited for.

            Examples:
              latchctl watch nightly-report
              latchctl watch nightly-report --json | jq --unbuffered -r .latch.holder

            Exit codes: 0 ended by Ctrl-C or SIGTERM, 1 the watch could not begin.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Print one JSON object a line.")
    var json = false

    func run() async throws {
        let interrupts = Interrupts()
        try await cluster.withCluster { cluster in
            let events = try cluster.watch(latch.name, namespace: latch.namespace)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await interrupts.first() }
                group.addTask {
                    for try await event in events { try show(event) }
                }
                try await group.next()
                group.cancelAll()
            }
        }
    }

    private func show(_ event: WatchEvent) throws {
        if json {
            Console.say(try latchctl.json(WatchJSON(event), pretty: false))
            return
        }
        switch event {
        case .state(let latch): Console.say(watchText(latch, .output))
        case .resynchronized: complain("(changes may have been missed)")
        case .interrupted(let reason): complain("(\(reason); going on through another node)")
        }
    }

    private func complain(_ line: String) {
        Console.complain(Paint.complaints(line, .doubtful))
    }
}

/// One state of a watched latch, on one line.
func watchText(_ latch: LatchInfo, _ paint: Paint = .none) -> String {
    let token = latch.fencingToken.map { "token \($0)" } ?? "token unknown"
    guard let holder = latch.holder else {
        return "term \(latch.term)  " + paint("nobody holds it", .doubtful)
    }
    let waiting = latch.participants.dropFirst().map(printable)
    let queue = waiting.isEmpty ? "nobody waits" : "waiting: " + waiting.joined(separator: ", ")
    let held = paint("held by \(printable(holder))", .good)
    let value = latch.value.isEmpty ? "" : "  published: \(printable(latch.value))"
    return "term \(latch.term)  \(token)  \(held)  \(queue)\(value)"
}
