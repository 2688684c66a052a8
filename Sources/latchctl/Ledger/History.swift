import ArgumentParser
import LatchClient

/// `latchctl history`.
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists who held a latch, from when to when, and why that began and ended.",
        discussion: """
            The cluster itself keeps the newest 64 terms of every latch. GAP is how long nobody was in \
            charge before a term, counted from the last sign of life of the holder before; OVERLAP is \
            how long that one may have gone on believing that it holds, at most: 0 unless an operator \
            threw it out. Both are counted in the cluster's own time, which stands still while no node \
            leads. FROM and TO are the wall clock of the cluster's leader when it wrote that down.

            Examples:
              latchctl history nightly-report
              latchctl history nightly-report --last 5
              latchctl history nightly-report --json | jq '.terms[] | select(.ended.cause == "expired")'

            Exit codes: 0 told, 4 there is no such latch, 1 no answer.
            """)

    @OptionGroup var latch: LatchOptions
    @OptionGroup var cluster: ClusterOptions

    @Option(help: "Only so many, the newest.")
    var last: Int?

    @Flag(help: "Print JSON.")
    var json = false

    mutating func validate() throws {
        if let last, last < 1 { throw ValidationError("--last must be at least 1.") }
    }

    func run() async throws {
        try await cluster.withCluster { cluster in
            let history = try await cluster.history(latch.name, namespace: latch.namespace)
            let terms = Array(history.terms.suffix(last ?? history.terms.count))
            let isTruncated = history.isTruncated || terms.count < history.terms.count
            if json {
                let output = HistoryJSON(
                    namespace: latch.namespace, name: latch.name, terms: terms,
                    isTruncated: isTruncated, index: history.index)
                Console.say(try latchctl.json(output, pretty: true))
            } else {
                Console.say(historyText(terms, isTruncated: isTruncated, now: WallTime.now))
            }
        }
    }
}

/// The ledger for people.
func historyText(_ terms: [LatchTerm], isTruncated: Bool, now: WallTime) -> String {
    guard !terms.isEmpty else { return "Nobody has held it yet." }
    var table = Table([
        ("TERM", .right), ("TOKEN", .right), ("HOLDER", .left), ("FROM", .left), ("TO", .left),
        ("FOR", .right), ("BEGAN", .left), ("ENDED", .left), ("GAP", .right), ("OVERLAP", .right),
    ])
    for term in terms {
        let from = WallTime(term.began.wallTime)
        let to = term.ended.map { WallTime($0.wallTime) }
        let span = from.flatMap { from in ((to ?? now) ?? now).since(from) }
        table.add([
            String(term.term), String(term.fencingToken), term.holder,
            from?.text(seenAt: now) ?? "-", to.map { $0?.text(seenAt: now) ?? "-" } ?? "now",
            span.map(readable) ?? "-", causeWord(term.began.cause),
            term.ended.map { causeWord($0.cause) } ?? "", readable(term.gap),
            term.overlapBound == .zero ? "0" : "≤ " + readable(term.overlapBound),
        ])
    }
    let note = isTruncated ? "(older terms are not shown)\n" : ""
    return note + table.rendered()
}

/// A cause in one word or two.
func causeWord(_ cause: LatchTerm.Cause) -> String {
    cause == .handedOver ? "handed over" : cause.rawValue
}

struct HistoryJSON: Encodable {
    struct Edge: Encodable {
        let cause: String
        let index: UInt64
        let raftTerm: UInt64
        let logTimeMs: Int64
        let wallTimeMs: Int64?

        init(_ edge: LatchTerm.Edge) {
            cause = edge.cause == .handedOver ? "handed-over" : edge.cause.rawValue
            index = edge.index
            raftTerm = edge.raftTerm
            logTimeMs = milliseconds(edge.logTime)
            wallTimeMs = edge.wallTime.map(milliseconds)
        }
    }

    struct Term: Encodable {
        let term: UInt64
        let fencingToken: String
        let holder: String
        let sessionId: String
        let began: Edge
        let ended: Edge?
        let gapMs: Int64
        let overlapBoundMs: Int64
        let chain: String

        init(_ term: LatchTerm) {
            self.term = term.term
            fencingToken = String(term.fencingToken)
            holder = term.holder
            sessionId = String(term.sessionID)
            began = Edge(term.began)
            ended = term.ended.map(Edge.init)
            gapMs = milliseconds(term.gap)
            overlapBoundMs = milliseconds(term.overlapBound)
            chain = hexadecimal(term.chain)
        }
    }

    let namespace: String
    let name: String
    let truncated: Bool
    let index: UInt64
    let terms: [Term]

    init(namespace: String, name: String, terms: [LatchTerm], isTruncated: Bool, index: UInt64) {
        self.namespace = namespace
        self.name = name
        self.terms = terms.map(Term.init)
        truncated = isTruncated
        self.index = index
    }
}
