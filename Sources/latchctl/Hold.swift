import ArgumentParser
import Foundation
import LatchClient

/// `latchctl hold`.
struct Hold: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Joins a latch, tells when it holds it, and stays until Ctrl-C.",
        discussion: """
            The oldest live participant holds the latch. When this process dies, the next one holds \
            it after the TTL; on Ctrl-C or SIGTERM it leaves at once. The token only ever grows: hand \
            it to what the latch protects, and refuse smaller ones there.

            Examples:
              latchctl hold nightly-report
              latchctl hold nightly-report --participant "$(hostname)" --ttl 5s
              latchctl hold nightly-report | grep --line-buffered HOLDING

            Exit codes: 0 left on Ctrl-C or SIGTERM, 3 the latch was lost, 1 it could not be joined, \
            130 a second Ctrl-C.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Option(
        help: ArgumentHelp(
            "The id to take part under, unique. Default: host name, process id and four random digits.",
            valueName: "id"))
    var participant: String?

    @Option(
        help: ArgumentHelp(
            "How long the session outlives its last keep-alive, 10ms to 24h.",
            valueName: "duration"))
    var ttl: TimeSpan = TimeSpan(.seconds(10))

    mutating func validate() throws {
        guard ttl.duration >= .milliseconds(10), ttl.duration <= .seconds(86_400) else {
            throw ValidationError("--ttl must be between 10ms and 24h, not \(ttl).")
        }
        if let participant, participant.isEmpty {
            throw ValidationError("--participant is empty.")
        }
    }

    func run() async throws {
        let interrupts = Interrupts()
        let participant = participant ?? Self.defaultParticipant()
        try await cluster.withCluster { cluster in
            let hold = try await cluster.hold(
                latch.name, namespace: latch.namespace, participant: participant,
                ttl: ttl.duration)
            Console.say("joined \(printable(latch.name)) as \(printable(participant)), TTL \(ttl)")
            let end = await follow(hold, until: interrupts)
            guard case .lost(let reason) = end else {
                try await leave(hold)
                return
            }
            Console.say("LOST: \(reason)")
            // The session may still live on the servers; then nobody should have to wait
            // for its end.
            try? await hold.leave()
            throw Exit.lost
        }
    }

    /// Tells every state until the latch is lost or a signal comes.
    private func follow(_ hold: LatchHold, until interrupts: Interrupts) async -> HoldState? {
        await withTaskGroup(of: HoldState?.self) { group in
            group.addTask {
                await interrupts.first()
                return nil
            }
            group.addTask {
                for await state in hold.states {
                    if case .lost = state { return state }
                    if let line = holdText(state) { Console.say(line) }
                }
                return nil
            }
            let end = await group.next() ?? nil
            group.cancelAll()
            return end
        }
    }

    private func leave(_ hold: LatchHold) async throws {
        do {
            try await hold.leave()
            Console.say("left")
        } catch let error as LatchError {
            Console.complain(
                explain(error) + "\nThe session was not closed; it ends by itself within \(ttl).")
            throw Exit.failure
        }
    }

    /// Host name, process id, and random digits: containers share host names and process
    /// ids over restarts.
    static func defaultParticipant() -> String {
        let digits = hexadecimal(UInt64.random(in: .min ... .max)).suffix(4)
        let process = ProcessInfo.processInfo
        return "\(process.hostName)-\(process.processIdentifier)-\(digits)"
    }
}

/// A state of a hold, on one line; nil for one that is told elsewhere.
func holdText(_ state: HoldState) -> String? {
    switch state {
    case .waiting(let position, let holder):
        "waiting, position \(position) behind \(holder.map(printable) ?? "nobody")"
    case .holding(let grant):
        "HOLDING token \(grant.fencingToken), term \(grant.term)"
    case .lost, .left:
        nil
    }
}
