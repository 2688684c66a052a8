import ArgumentParser
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
              latchctl hold nightly-report --publish "$(hostname):8080"
              latchctl hold nightly-report | grep --line-buffered HOLDING

            Exit codes: 0 left on Ctrl-C or SIGTERM, 3 the latch was lost, 1 it could not be joined, \
            130 a second Ctrl-C.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var participant: ParticipantOptions

    @Option(
        help: ArgumentHelp(
            "How long the session outlives its last keep-alive, 10ms to 24h. Default: 10s.",
            valueName: "duration"),
        transform: TimeSpan.parse)
    var ttl: TimeSpan = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp(
            "What to tell those who look while it holds the latch, an address say: at most 1024 bytes.",
            valueName: "text"))
    var publish: String?

    mutating func validate() throws {
        guard ttl.duration >= .milliseconds(10), ttl.duration <= .seconds(86_400) else {
            throw ValidationError("--ttl must be between 10ms and 24h, not \(ttl).")
        }
        if let publish, publish.utf8.count > 1_024 {
            throw ValidationError(
                "--publish takes at most 1024 bytes, not \(publish.utf8.count).")
        }
    }

    func run() async throws {
        let interrupts = Interrupts()
        let participant = participant.makeName()
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
            group.addTask { await report(hold) }
            let end = await group.next() ?? nil
            group.cancelAll()
            return end
        }
    }

    /// Tells every state until the latch is lost or the task is cancelled.
    private func report(_ hold: LatchHold) async -> HoldState? {
        await withTaskGroup(of: Void.self) { publishing in
            defer { publishing.cancelAll() }
            for await state in hold.states {
                if case .lost = state { return state }
                if let line = holdText(state) { Console.say(line) }
                // Every grant empties the value. A publishing that waits for a node delays no news.
                if case .holding = state, let publish {
                    publishing.addTask { await tell(publish, of: hold) }
                }
            }
            return nil
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

    /// Holding does not depend on it.
    private func tell(_ value: String, of hold: LatchHold) async {
        do {
            try await hold.publish(value)
            Console.say("published \(printable(value))")
        } catch let error as LatchError {
            Console.complain("\(explain(error))\nThe value was not published.")
        } catch {
            // Cancelled: it is about to leave.
        }
    }
}

/// A state of a hold, on one line; nil for one that is told elsewhere.
func holdText(_ state: HoldState) -> String? {
    switch state {
    case .waiting(let position, let holder):
        "waiting, position \(position)" + (holder.map { " behind \(printable($0))" } ?? "")
    case .holding(let grant):
        "HOLDING token \(grant.fencingToken), term \(grant.term)"
    case .lost, .left:
        nil
    }
}
