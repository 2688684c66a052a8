import ArgumentParser
import LatchClient

/// `latchctl why`.
struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells in sentences who holds a latch, since when, and why.",
        discussion: """
            Read from the ledger that the cluster keeps of every latch; latchctl history shows all of it.

            Examples:
              latchctl why nightly-report

            Exit codes: 0 told, 4 there is no such latch, 1 no answer.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        try await cluster.withCluster { cluster in
            let history = try await cluster.history(latch.name, namespace: latch.namespace)
            let info = try? await cluster.latch(latch.name, namespace: latch.namespace)
            Console.say(whyText(latch.name, history.terms, info, now: WallTime.now))
        }
    }
}

/// Who holds the latch and why, in sentences.
func whyText(
    _ name: String, _ terms: [LatchTerm], _ latch: LatchInfo?, now: WallTime
) -> String {
    let title = printable(name)
    guard let last = terms.last else { return "Nobody has held \(title) yet." }
    let before = terms.dropLast().last
    var sentences: [String] = []
    if let ended = last.ended {
        sentences.append("Nobody holds \(title)\(since(ended, now)).")
        sentences.append(
            "\(printable(last.holder)) held it last, with token \(last.fencingToken); "
                + "that ended because \(reason(ended.cause, of: last.holder)).")
    } else {
        let why = before.flatMap { explanation(last, after: $0) } ?? beginning(last)
        sentences.append(
            "\(printable(last.holder)) holds \(title)\(since(last.began, now)), "
                + "token \(last.fencingToken), because \(why).")
    }
    if before != nil, last.gap > .zero {
        sentences.append(
            "Before that, nobody held it for \(readable(last.gap)) of the cluster's time.")
    }
    if last.overlapBound > .zero, let before {
        sentences.append(
            "\(printable(before.holder)) was not asked: it may have gone on for up to "
                + "\(readable(last.overlapBound)); only the fencing token protects against that.")
    }
    if let before, let ended = before.ended, ended.raftTerm > before.began.raftTerm {
        let changes = ended.raftTerm - before.began.raftTerm
        sentences.append(
            "While \(printable(before.holder)) held it, the cluster elected a new leader"
                + (changes == 1 ? "." : " (its term rose by \(changes))."))
    }
    if let latch, last.ended == nil {
        let waiting = latch.participants.dropFirst()
        sentences.append(
            waiting.isEmpty
                ? "Nobody waits."
                : "Next in line: " + waiting.map(printable).joined(separator: ", ") + ".")
    }
    return sentences.joined(separator: "\n")
}

/// `since 12:03:07 (2 m 0 s)`, or nothing where the time is not known.
private func since(_ edge: LatchTerm.Edge, _ now: WallTime) -> String {
    guard let wall = WallTime(edge.wallTime) else { return "" }
    return " since \(wall.text(seenAt: now)) (\(readable(now.since(wall))))"
}

private func explanation(_ term: LatchTerm, after before: LatchTerm) -> String? {
    switch term.began.cause {
    case .joined:
        guard let ended = before.ended else { return nil }
        return "the latch was free, and it was the first to join: "
            + reason(ended.cause, of: before.holder)
    case .handedOver: return "\(printable(before.holder)) handed it over, or an operator did"
    case .resigned, .closed, .expired, .evicted, .deleted, .restored, .unknown:
        return "it was the next in line, and " + reason(term.began.cause, of: before.holder)
    }
}

private func beginning(_ term: LatchTerm) -> String {
    term.began.cause == .joined
        ? "the latch was free, and it was the first to join"
        : reason(term.began.cause, of: "the holder before")
}

/// What ended a holder's term.
private func reason(_ cause: LatchTerm.Cause, of holder: String) -> String {
    let name = printable(holder)
    switch cause {
    case .joined: return "\(name) joined"
    case .resigned: return "\(name) left"
    case .closed: return "\(name) closed its session"
    case .expired: return "\(name)'s session was not renewed in time"
    case .evicted: return "an operator took \(name) out"
    case .handedOver: return "\(name) passed it on, or an operator did"
    case .deleted: return "the latch was deleted"
    case .restored: return "the cluster was restored from a backup, which ends every session"
    case .unknown: return "of something that this version of latchctl does not know"
    }
}
