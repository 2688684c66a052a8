import ArgumentParser
import LatchClient

/// `latchctl get`.
struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows one latch: holder, token, what the holder published, and who waits.",
        discussion: """
            The answer is linearizable: it reflects everything that was acknowledged before.

            Examples:
              latchctl get nightly-report
              latchctl get nightly-report --json | jq -r .holder

            Exit codes: 0 found, 4 there is no such latch, 1 no answer.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        try await cluster.withCluster { cluster in
            let info = try await cluster.latch(latch.name, namespace: latch.namespace)
            Console.say(
                json ? try latchctl.json(LatchJSON(info), pretty: true) : latchText(info))
        }
    }
}

/// One latch for people.
func latchText(_ latch: LatchInfo) -> String {
    var lines = [
        "name       \(printable(latch.name))",
        "namespace  \(printable(latch.namespace))",
        "holder     \(latch.holder.map(printable) ?? "nobody")",
        "token      \(latch.fencingToken.map(String.init) ?? "unknown")",
        "term       \(latch.term)",
        "index      \(latch.index)",
    ]
    if !latch.value.isEmpty { lines.append("value      \(printable(latch.value))") }
    let waiting = latch.participants.dropFirst()
    if waiting.isEmpty {
        lines.append("waiting    nobody")
    } else {
        for (place, participant) in waiting.enumerated() {
            let title = place == 0 ? "waiting  " : "         "
            lines.append("\(title)  \(place + 2). \(printable(participant))")
        }
    }
    return lines.joined(separator: "\n")
}
