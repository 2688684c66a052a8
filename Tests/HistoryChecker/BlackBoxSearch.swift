/// Layer 2: looks for any order of one latch's operations that explains all answers.
///
/// Wing and Gong's search with Lowe's memory of (operations in order so far, state): depth first,
/// next comes only an operation that was sent before every one still missing was answered. It
/// trusts no log index. The history is cut where no call is open; each piece begins with every
/// state in which the piece before can have ended.
struct BlackBoxSearch {
    enum Result {
        case explained
        case contradiction(claim: String, positions: [Int])
        case undecided(String)
    }

    /// Which operations are in order so far: all before `base`, and `others`, ascending.
    private struct Node: Hashable {
        var base: Int
        var others: [Int]
        var state: LatchModel

        func contains(_ step: Int) -> Bool { step < base || others.contains(step) }

        /// One more operation; `base` moves on over what is complete.
        func adding(_ step: Int, _ state: LatchModel) -> Node {
            var next = Node(base: base, others: others, state: state)
            let place = next.others.firstIndex { $0 > step } ?? next.others.count
            next.others.insert(step, at: place)
            var complete = 0
            while complete < next.others.count, next.others[complete] == next.base {
                next.base += 1
                complete += 1
            }
            next.others.removeFirst(complete)
            return next
        }

        var count: Int { base + others.count }

        /// What it takes to remember it, in bytes: itself and its number in a hash table that may
        /// be half empty, its arrays with their headers. Arrays that nodes share count for each.
        var bytes: Int {
            let arrays = [
                others.count * MemoryLayout<Int>.stride,
                state.members.count * MemoryLayout<LatchModel.Member>.stride,
                state.opened.bytes, state.ended.bytes, state.tookEffect.bytes,
                state.placedDeletes.bytes,
                state.deniedTokens.count * MemoryLayout<UInt64>.stride,
            ]
            let table = 2 * (MemoryLayout<Node>.stride + MemoryLayout<Int>.stride)
            return arrays.reduce(table) { $0 + ($1 == 0 ? 0 : $1 + 32) }
        }
    }

    private let partition: Partition
    private let steps: [Partition.Step]
    private let order: SessionOrder
    private let lateDeletes: [UInt64]
    private let budget: Budget
    private let deadline: ContinuousClock.Instant
    private(set) var visited = 0
    /// Why not everything was looked at.
    private var doubt: String?
    /// The node with the most operations in order, for the report.
    private var furthest: Node?

    init(_ partition: Partition, _ budget: Budget, deadline: ContinuousClock.Instant) {
        self.partition = partition
        self.budget = budget
        self.deadline = deadline
        lateDeletes = partition.lateDeletes
        steps = partition.steps.filter {
            if case .frame = $0.action { return false }
            return true
        }.sorted { ($0.invoked, $0.returned) < ($1.invoked, $1.returned) }
        order = SessionOrder(partition.unknowns, steps)
    }

    mutating func run() -> Result {
        var states: Set<LatchModel> = [partition.start]
        var first = 0
        while first < steps.count {
            let end = quietPoint(after: first)
            var ends: Set<LatchModel> = []
            if let reason = search(first..<end, from: states, &ends) { return .undecided(reason) }
            guard !ends.isEmpty else {
                return doubt.map { .undecided($0) } ?? contradiction(end)
            }
            states = ends
            first = end
        }
        return .explained
    }

    /// The next place where every call sent so far is answered before the next one is sent.
    private func quietPoint(after first: Int) -> Int {
        var latest = steps[first].returned
        var end = first + 1
        while end < steps.count, steps[end].invoked <= latest {
            latest = max(latest, steps[end].returned)
            end += 1
        }
        return end
    }

    /// Finds every state after the operations in `piece`; returns why if it had to give up. After
    /// the last piece one is enough.
    private mutating func search(
        _ piece: Range<Int>, from states: Set<LatchModel>, _ ends: inout Set<LatchModel>
    ) -> String? {
        var remembered: [Node: Int] = [:]
        var bytes = 0
        var fewest: [LatchModel: Int] = [:]
        var open = states.map { Node(base: piece.lowerBound, others: [], state: $0) }
        furthest = nil
        while let node = open.popLast() {
            var key = node
            key.state.lateDeletes = 0
            let known = remembered[key]
            guard node.state.lateDeletes < known ?? .max else { continue }
            remembered[key] = node.state.lateDeletes
            if known == nil { bytes += key.bytes }
            visited += 1
            if bytes > budget.searchBytes { return "more than \(budget.searchBytes) bytes" }
            // At each node: its successors may cost milliseconds.
            if ContinuousClock.now > deadline { return "no time left" }
            if node.base == piece.upperBound {
                let end = key.state
                fewest[end] = min(fewest[end] ?? .max, node.state.lateDeletes)
                if piece.upperBound == steps.count { break }
                continue
            }
            if node.count > furthest?.count ?? -1 { furthest = node }
            open += successors(of: node, until: piece.upperBound)
        }
        ends = Set(
            fewest.map { end, count in
                var state = end
                state.lateDeletes = count
                return state
            })
        return nil
    }

    /// What can come next, the most promising last.
    private mutating func successors(of node: Node, until end: Int) -> [Node] {
        let (candidates, bound) = candidates(after: node, until: end)
        var found: [Node] = []
        let barred = order.barred { node.contains($0) }
        let place = LatchModel.Place(
            partition: partition, bound: bound, barred: barred,
            mostTries: budget.explanationTries)
        for step in candidates {
            let states = apply(steps[step], to: node.state, at: place)
            // An operation that fits and changes nothing can as well come now as later: no other
            // choice needs a look here.
            if states.contains(node.state), !mayMatterLater(step, node.state) {
                return [node.adding(step, node.state)]
            }
            found += states.map { node.adding(step, $0) }
        }
        if node.state.isWorthDeleting,
            node.state.lateDeletes < lateDeletes.prefix(while: { $0 <= bound }).count,
            partition.allowsDelete(of: node.state, before: bound)
        {
            var state = node.state
            state.delete(in: partition)
            state.lateDeletes += 1
            found.insert(Node(base: node.base, others: node.others, state: state), at: 0)
        }
        return found
    }

    /// Whether an operation that changes nothing now may be needed later: a command that did what
    /// it was asked could then change something; one that was denied keeps those of unknown
    /// outcome out that are before it in its session.
    private func mayMatterLater(_ step: Int, _ state: LatchModel) -> Bool {
        guard partition.hasMoves, case .command(let move, let reply) = steps[step].action else {
            return isDelete(step)
        }
        guard case .denied = reply else { return true }
        guard steps[step].requestID > 0 else { return false }
        return partition.unknowns.enumerated().contains { position, unknown in
            unknown.move.session == move.session && unknown.requestID > 0
                && unknown.requestID < steps[step].requestID
                && !state.tookEffect.contains(position)
        }
    }

    private func isDelete(_ step: Int) -> Bool {
        if case .delete = steps[step].action { return true }
        return false
    }

    /// Operations that were sent before any missing one was answered, the last answered first, and
    /// when the first of those answers came.
    private func candidates(after node: Node, until end: Int) -> (steps: [Int], bound: UInt64) {
        var bound = UInt64.max
        var candidates: [Int] = []
        var step = node.base
        while step < end, steps[step].invoked <= bound {
            if !node.contains(step) {
                candidates.append(step)
                bound = min(bound, steps[step].returned)
            }
            step += 1
        }
        candidates = candidates.filter {
            steps[$0].invoked <= bound && order.predecessor(of: $0).map(node.contains) ?? true
        }
        return (candidates.sorted { steps[$0].returned > steps[$1].returned }, bound)
    }

    private mutating func apply(
        _ step: Partition.Step, to state: LatchModel, at place: LatchModel.Place
    ) -> [LatchModel] {
        var next = state
        switch step.action {
        case .open(let session):
            if !partition.deletes.isEmpty { next.opened.insert(session) }
        case .alive(let session):
            if state.ended.contains(session) { return [] }
        case .unknown(let session):
            let isOver = state.ended.contains(session)
            guard isOver || partition.sessions[session].endFrom <= place.bound else { return [] }
            next.ended.insert(session)
        case .close(let session):
            next.ended.insert(session)
        case .delete:
            next.delete(in: partition)
        case .command(let move, let reply):
            let observer = LatchModel.Observer(
                session: move.session, move: move, requestID: step.requestID)
            return observe(state, reply, by: observer, at: place)
        case .read(let session, let view):
            return observe(state, .view(view), by: .init(session: session), at: place)
        case .frame:
            break
        }
        return [next]
    }

    private mutating func observe(
        _ state: LatchModel, _ reply: Reply, by observer: LatchModel.Observer,
        at place: LatchModel.Place
    ) -> [LatchModel] {
        let seen = state.observe(reply, by: observer, at: place)
        if !seen.isComplete {
            doubt = "an answer has more than \(budget.explanationTries) explanations to try"
        }
        return seen.states
    }

    private func contradiction(_ end: Int) -> Result {
        guard let furthest else { return .contradiction(claim: "nothing fits", positions: []) }
        let next = candidates(after: furthest, until: end).steps
        let latest = (0..<end).filter { furthest.contains($0) }.suffix(3)
        return .contradiction(
            claim: "some order of the operations explains all answers: after \(furthest.count) "
                + "operations latch \(HistoryText.quote(partition.latch)) has "
                + "\(partition.describe(furthest.state)), and none of the last \(next.count) "
                + "operations below can come next",
            positions: latest.map { steps[$0].position } + next.map { steps[$0].position })
    }
}
