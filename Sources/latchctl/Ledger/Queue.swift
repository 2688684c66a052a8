import ArgumentParser
import LatchClient

/// `latchctl queue`.
struct Queue: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows who takes part in a latch, in order.",
        discussion: """
            Examples:
              latchctl queue nightly-report
              latchctl queue nightly-report --json | jq -r '.participants[1].name'

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
                json
                    ? try latchctl.json(QueueJSON(info), pretty: true) : queueText(info, .output))
        }
    }
}

/// The line for people.
func queueText(_ latch: LatchInfo, _ paint: Paint = .none) -> String {
    guard !latch.participants.isEmpty else { return "Nobody takes part." }
    var table = Table([
        ("PLACE", .right), ("PARTICIPANT", .left), ("SESSION", .right), ("STATE", .left),
    ])
    for (place, participant) in latch.participants.enumerated() {
        let session = latch.session(at: place).map(String.init) ?? "-"
        let state = place == 0 ? "holds, token \(latch.fencingToken ?? 0)" : "waits"
        table.add(
            [String(place + 1), participant, session, state], tones: place == 0 ? [3: .good] : [:])
    }
    return table.rendered(paint)
}

struct QueueJSON: Encodable {
    struct Participant: Encodable {
        let place: Int
        let name: String
        let sessionId: String?
        let holds: Bool
    }

    let namespace: String
    let name: String
    let index: UInt64
    let participants: [Participant]

    init(_ latch: LatchInfo) {
        namespace = latch.namespace
        name = latch.name
        index = latch.index
        participants = latch.participants.enumerated().map { place, name in
            let session = latch.session(at: place)
            return Participant(
                place: place + 1, name: name, sessionId: session.map { String($0) },
                holds: place == 0)
        }
    }
}
