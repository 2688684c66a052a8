import LatchMachine
import LatchNode
import NIOCore

/// A page of latches: `/api/latches`.
struct LatchPage: Codable, Sendable {
    struct Row: Codable, Sendable {
        var namespace: String
        var name: String
        /// Nil if nobody holds it.
        var holder: String?
        var term: UInt64
        /// Decimal: JSON's numbers are too small for it.
        var token: String
        /// Who waits, next first; at most 20.
        var waiting: [String]
        var waitingCount: Int
    }

    var latches: [Row] = []
    /// Pass it as `after` for what follows; nil at the end. A search that looked at many latches
    /// gives it with few rows, or none.
    var next: String?
}

/// One latch with its ledger: `/api/latch`.
struct LatchDetail: Codable, Sendable {
    struct Term: Codable, Sendable {
        var term: UInt64
        var token: String
        var holder: String
        var session: String
        var began: Edge
        var ended: Edge?
        var gapMs: UInt64
        var overlapBoundMs: UInt64
    }

    struct Edge: Codable, Sendable {
        var cause: String
        /// Milliseconds since 1970; 0 if it is not known.
        var time: UInt64
        var index: UInt64
        var raftTerm: UInt64
    }

    var namespace: String
    var name: String
    var exists: Bool
    var value: String?
    var participants: [String] = []
    /// Newest first.
    var terms: [Term] = []
    /// How old this may be; nil if the node never heard a leader.
    var ageMs: UInt64?
}

/// Reads latches as this node has applied them, in short stretches of its loop's time.
struct LatchPictures: Sendable {
    /// Latches read in one stretch, and stretches in one search.
    private static let stretch = 256
    private static let stretches = 16

    let node: LatchNode
    let bound: TimeAmount

    /// Latches whose `namespace/name` or holder contains `search`, whatever the case, in order.
    ///
    /// - Returns: nil if the node did not answer in time.
    func page(search: String, after: PrimitiveName?, limit: Int) async -> LatchPage? {
        let words = search.lowercased()
        var (page, last, done) = (LatchPage(), after, false)
        for _ in 0..<Self.stretches where !done {
            let (node, from) = (node, last)
            let rows = await Readings.within(bound) {
                try await node.localLatches(after: from, limit: Self.stretch)
            }
            guard let rows else { return nil }
            for row in rows {
                guard words.isEmpty || row.contains(words) else {
                    last = row.name
                    continue
                }
                if page.latches.count == limit {
                    page.next = last.map(\.pageToken)
                    return page
                }
                last = row.name
                page.latches.append(LatchPage.Row(row))
            }
            done = rows.count < Self.stretch
        }
        if !done { page.next = last.map(\.pageToken) }
        return page
    }

    /// One latch; nil if the node did not answer in time.
    func detail(_ name: PrimitiveName) async -> LatchDetail? {
        let node = node
        let result = await Readings.within(bound) {
            await withCheckedContinuation { continuation in
                node.submit(.localView(name, LocalViewSink(node.loop, continuation)))
            }
        }
        guard case .localView(let view, _, let age)?? = result else { return nil }
        return LatchDetail(name, view, age: age)
    }
}

/// Hands the node's answer on.
private final class LocalViewSink: ReplySink {
    let loop: any EventLoop
    private let once: Once<NodeResult>

    init(_ loop: any EventLoop, _ continuation: CheckedContinuation<NodeResult?, Never>) {
        self.loop = loop
        once = Once(continuation)
    }

    func complete(_ result: NodeResult) { once.resume(with: result) }
}

extension ListedLatch {
    fileprivate func contains(_ words: String) -> Bool {
        "\(name.namespace)/\(name.name)".lowercased().contains(words)
            || state.holder?.lowercased().contains(words) == true
    }
}

extension LatchPage.Row {
    init(_ latch: ListedLatch) {
        let waiting = latch.state.participants.dropFirst()
        self.init(
            namespace: latch.name.namespace, name: latch.name.name, holder: latch.state.holder,
            term: latch.state.term, token: "\(latch.state.fencingToken)",
            waiting: Array(waiting.prefix(20)), waitingCount: waiting.count)
    }
}

extension LatchDetail {
    init(_ name: PrimitiveName, _ view: LatchView?, age: UInt64?) {
        self.init(
            namespace: name.namespace, name: name.name, exists: view != nil, ageMs: age)
        guard let view else { return }
        value = view.state.value
        participants = Array(view.state.participants.prefix(200))
        terms = view.ledger.reversed().map { record in
            Term(
                term: record.term, token: "\(record.fencingToken)", holder: record.holder,
                session: "\(record.session)", began: Edge(record.began),
                ended: record.ended.map(Edge.init), gapMs: record.gapMilliseconds,
                overlapBoundMs: record.overlapBoundMilliseconds)
        }
    }
}

extension LatchDetail.Edge {
    init(_ edge: TermEdge) {
        self.init(
            cause: edge.cause.word, time: edge.wallTimeMilliseconds, index: edge.index,
            raftTerm: edge.raftTerm)
    }
}
