import ArgumentParser
import LatchClient

/// `latchctl evict`.
struct Evict: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes a participant out of a latch.",
        discussion: """
            If it holds the latch, the next one does at once, and the former holder learns of it only after the fact: \
            for a moment both may act, and only the fencing token protects. So a holder is evicted only with --force \
            or --token, and latchctl says how long that moment may be (latchctl why tells it afterwards). Of several \
            participants with one name the first is taken, or that of --session.

            Examples:
              latchctl evict nightly-report worker-7
              latchctl evict nightly-report worker-1 --token 65591

            Exit codes: 0 evicted, 4 no such latch or participant, 1 refused, no answer, or it is not known whether \
            it was done: an answer was lost, and the next one says that there is nothing to do.
            """)

    @OptionGroup var latch: LatchOptions

    @Argument(help: ArgumentHelp("Who is to go.", valueName: "participant"))
    var participant: String

    @OptionGroup var cluster: ClusterOptions

    @Option(help: "Only while this is the latch's fencing token.")
    var token: UInt64?

    @Option(help: "Only the participant of this session (latchctl queue shows it).")
    var session: UInt64?

    @Flag(help: "Also if it holds the latch.")
    var force = false

    func run() async throws {
        try await cluster.withCluster { cluster in
            let before = try await cluster.latch(latch.name, namespace: latch.namespace)
            // By its session, so that a repetition after a lost answer takes out no second one.
            let place = evictedPlace(in: before, participant, session: session)
            let isHolder = place == 0
            if isHolder, !force, token == nil {
                Console.complain(
                    """
                    latchctl: \(printable(participant)) holds it with token \(before.fencingToken ?? 0): not evicted.
                    It would not know it at once, and might act beside the next one. \
                    --token \(before.fencingToken ?? 0) or --force evicts it all the same.
                    """)
                throw Exit.failure
            }
            // One that waits is evicted only while it does: a promotion in between moves the token.
            let guardToken = token ?? (force ? nil : before.fencingToken)
            let after = try await cluster.evict(
                participant, from: latch.name, namespace: latch.namespace,
                sessionID: session ?? place.flatMap(before.session),
                fencingToken: guardToken)
            let next = after.holder.map { "\(printable($0)) holds it" } ?? "nobody holds it"
            Console.say("evicted \(printable(participant)); \(next) now")
        }
    }
}

/// Where in the queue the participant is that an eviction means: of that session, or the first of
/// that name; nil: there is none.
func evictedPlace(in latch: LatchInfo, _ participant: String, session: UInt64?) -> Int? {
    latch.participants.indices.first { place in
        // Ids are equal when their bytes are, which is less than what `==` calls equal.
        latch.participants[place].utf8.elementsEqual(participant.utf8)
            && (session == nil || latch.session(at: place) == session)
    }
}

extension LatchInfo {
    /// The session of the participant at a place of the queue; nil: the servers did not say.
    func session(at place: Int) -> UInt64? {
        place < sessionIDs.count ? sessionIDs[place] : nil
    }
}

/// `latchctl handover`.
struct Handover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Passes a latch from its holder to a participant that waits.",
        discussion: """
            The former holder becomes the last in line. It learns of it only after the fact: for a moment both may \
            act, and only the fencing token protects. A program that can do so should hand over by itself.

            Examples:
              latchctl handover nightly-report worker-2
              latchctl handover nightly-report worker-2 --token 65591

            Exit codes: 0 handed over, 4 no such latch, or nobody of that name waits, 1 refused, no answer, or it is \
            not known whether it was done: an answer was lost, and the next one says that the token has moved.
            """)

    @OptionGroup var latch: LatchOptions

    @Argument(help: ArgumentHelp("Who is to hold it.", valueName: "participant"))
    var participant: String

    @OptionGroup var cluster: ClusterOptions

    @Option(help: "Only while this is the latch's fencing token. Default: the one it has now.")
    var token: UInt64?

    func run() async throws {
        try await cluster.withCluster { cluster in
            var token = token
            if token == nil {
                token = try await cluster.latch(latch.name, namespace: latch.namespace).fencingToken
            }
            let after = try await cluster.handOver(
                latch.name, namespace: latch.namespace, fencingToken: token ?? 0, to: participant)
            Console.say(
                "\(printable(after.holder ?? "nobody")) holds it now, token \(after.fencingToken ?? 0)"
            )
        }
    }
}
