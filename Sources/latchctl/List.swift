import ArgumentParser
import LatchClient

/// `latchctl list`.
struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists latches, who holds them, and how many wait.",
        discussion: """
            Examples:
              latchctl list
              latchctl list --prefix billing- --namespace default
              latchctl list --json | jq -r '.latches[] | select(.holder) | .name'

            Exit codes: 0 told, 1 no answer.
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(help: "Only names that start with this.")
    var prefix: String = ""

    @Option(help: "Only this namespace. Default: all.")
    var namespace: String?

    @Flag(help: "Print JSON.")
    var json = false

    private struct Output: Encodable {
        let latches: [LatchJSON]
    }

    func run() async throws {
        try await cluster.withCluster { cluster in
            let latches = try await cluster.allLatches(namespace: namespace, prefix: prefix)
            if json {
                let output = Output(latches: latches.map(LatchJSON.init))
                Console.say(try latchctl.json(output, pretty: true))
            } else {
                Console.say(latches.isEmpty ? "No latches." : listText(latches, .output))
            }
        }
    }
}

/// The list for people.
func listText(_ latches: [LatchInfo], _ paint: Paint = .none) -> String {
    var table = Table([
        ("NAMESPACE", .left), ("NAME", .left), ("HOLDER", .left), ("WAITING", .right),
        ("TERM", .right), ("TOKEN", .right),
    ])
    for latch in latches {
        table.add(
            [
                latch.namespace.isEmpty ? "\"\"" : latch.namespace, latch.name,
                latch.holder ?? "-",
                String(max(0, latch.participants.count - 1)), String(latch.term),
                latch.fencingToken.map(String.init) ?? "-",
            ], tones: latch.holder == nil ? [:] : [2: .good])
    }
    return table.rendered(paint)
}
