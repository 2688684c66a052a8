import ArgumentParser
import LatchClient

/// `latchctl delete`.
struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Deletes a latch, for example one with a misspelt name.",
        discussion: """
            A latch is kept for ever, also when nobody uses it. Deleting it ends all its sessions, \
            those of Atomix watchers too; its term starts again at 0, its token never does. Whoever holds \
            it learns so with the next keep-alive only, and somebody else can hold it before that: \
            so a latch with participants is not deleted without --force.

            Examples:
              latchctl delete nigthly-report
              latchctl delete nigthly-report --yes

            Exit codes: 0 deleted, 1 not confirmed, in use, or no answer, 4 there is no such latch.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Do not ask. Needed where nobody can be asked.")
    var yes = false

    @Flag(help: "Also if somebody holds it.")
    var force = false

    func run() async throws {
        try await cluster.withCluster { cluster in
            let info = try await cluster.latch(latch.name, namespace: latch.namespace)
            switch deleteStep(
                info, isConfirmed: yes, isForced: force, canAsk: Console.isInteractive)
            {
            case .delete: break
            case .refuse(let reason):
                Console.complain("latchctl: \(reason)")
                throw Exit.failure
            case .ask(let question):
                guard Console.ask(question) else {
                    Console.complain("Nothing was deleted.")
                    throw Exit.failure
                }
            }
            try await cluster.delete(latch.name, namespace: latch.namespace)
            Console.say(
                "deleted \(printable(latch.name)) in namespace \(printable(latch.namespace))")
        }
    }
}

/// What is to be done about a wish to delete a latch.
enum DeleteStep: Hashable {
    case delete
    case ask(String)
    case refuse(String)
}

/// Decides about deleting `latch` as it was just seen. Somebody may join before it is deleted.
func deleteStep(
    _ latch: LatchInfo, isConfirmed: Bool, isForced: Bool, canAsk: Bool
) -> DeleteStep {
    let title = "latch \(printable(latch.name)) in namespace \(printable(latch.namespace))"
    let use = latch.holder.map { holder in
        let waiting = latch.participants.count - 1
        return "held by \(printable(holder))" + (waiting > 0 ? ", \(waiting) waiting" : "")
    }
    if let use, !isForced {
        return .refuse(
            """
            \(title) is \(use): not deleted.
            Its holder would not know it at once, and might act beside the next one. \
            --force deletes it all the same.
            """)
    }
    if isConfirmed { return .delete }
    let question = "Delete \(title) (\(use ?? "nobody holds it"), term \(latch.term))?"
    return canAsk
        ? .ask(question) : .refuse("\(title): nobody can be asked here; --yes confirms.")
}
