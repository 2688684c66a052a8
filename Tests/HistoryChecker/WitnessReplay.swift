/// Layer 1: replays one latch in the order of the log indexes that its answers carry.
///
/// Trusts the indexes. What has no index (closes, keep-alives, deletes, sessions that expire) is
/// deduced from what the next answer shows, within the times at which it can have been. Normally
/// one state is possible at a time; where an answer leaves several open, all are carried on.
struct WitnessReplay {
    enum Result {
        case explained
        case contradiction(claim: String, positions: [Int])
        /// No state is left, but some were left out.
        case undecided(String)
    }

    private let partition: Partition
    private let times: TimeBounds
    private let budget: Budget
    private let steps: [Partition.Step]
    private let order: SessionOrder
    /// Sent, ascending; outcome unknown.
    private let lateDeletes: [UInt64]
    /// The first to be over first.
    private let answeredDeletes: [Partition.Delete]
    /// Why not all states are among `states`.
    private var doubt: String?
    /// Answers that had more explanations than could be tried: after some of them no more time is
    /// spent, since each costs all of its tries.
    private var unfinishedAnswers = 0
    private static let mostUnfinishedAnswers = 3
    /// Sessions that an answer says are over, by the time of that answer.
    private var over: [(time: UInt64, session: Int)]
    private var states: [LatchModel]
    private var previous: [Int] = []

    init(_ partition: Partition, _ times: TimeBounds, _ budget: Budget) {
        let unplaced = partition.unplaced
        self.partition = unplaced
        self.times = times
        self.budget = budget
        let ordered = Self.ordered(partition.steps)
        steps = partition.hasMoves ? Self.sortedWithinEntries(ordered) : ordered
        order = SessionOrder(unplaced.unknowns, steps)
        lateDeletes = partition.lateDeletes
        answeredDeletes = partition.deletes.filter { $0.returned < .max }
            .sorted { $0.returned < $1.returned }
        states = [partition.start]
        over = partition.sessions.enumerated().filter { $1.overBy < .max }
            .map { ($1.overBy, $0) }.sorted { $0.time > $1.time }
    }

    mutating func run() -> Result {
        for (number, step) in steps.enumerated() {
            let bounds = times.bounds(of: step.index)
            endSessions(before: bounds.notBefore)
            deleteWhereDue(bounds.notBefore, bounds.notAfter)
            let before = states
            take(step, number, before: bounds.notAfter)
            if unfinishedAnswers > Self.mostUnfinishedAnswers, let doubt {
                return .undecided(doubt)
            }
            guard !states.isEmpty else {
                return doubt.map { .undecided($0) } ?? contradiction(at: step, from: before)
            }
            if previous.count == 2 { previous.removeFirst() }
            previous.append(step.position)
        }
        return .explained
    }

    /// By index. Commands that one entry released come in the order of their request ids, each
    /// with one participant more (Q3); what only looks comes after what does.
    private static func ordered(_ steps: [Partition.Step]) -> [Partition.Step] {
        func rank(_ step: Partition.Step) -> (Int, Int, UInt64) {
            switch step.action {
            case .command(_, .view(let view)): (view.participants.count, 1, step.requestID)
            case .command: (0, 1, step.requestID)
            case .frame(let view): (view.participants.count, 2, 0)
            case .read(_, let view): (view.participants.count, 3, 0)
            case .open, .alive, .unknown, .close, .delete: (0, 0, 0)
            }
        }
        return steps.filter { $0.index > 0 }.sorted { left, right in
            if left.index != right.index { return left.index < right.index }
            let (first, second) = (rank(left), rank(right))
            return first == second ? left.invoked < right.invoked : first < second
        }
    }

    /// Where there are commands that make a latch shorter, its length does not tell the order in
    /// which one entry released them: their request ids do. A frame comes after the command that is
    /// told the same; one that fits none says nothing, since who caused it is not known.
    private static func sortedWithinEntries(_ steps: [Partition.Step]) -> [Partition.Step] {
        var sorted: [Partition.Step] = []
        var start = 0
        while start < steps.count {
            let end = steps[start...].firstIndex { $0.index != steps[start].index } ?? steps.count
            let entry = steps[start..<end]
            let withValue = entry.allSatisfy { $0.view.map { $0.value != nil } ?? true }
            sorted +=
                Set(entry.compactMap { shown($0, withValue) }).count > 1
                ? released(entry, withValue) : Array(entry)
            start = end
        }
        return sorted
    }

    private static func released(
        _ steps: ArraySlice<Partition.Step>, _ withValue: Bool
    ) -> [Partition.Step] {
        var commands: [Partition.Step] = []
        var frames: [Partition.Step] = []
        var others: [Partition.Step] = []
        for step in steps {
            switch step.action {
            case .command: commands.append(step)
            case .frame: frames.append(step)
            case .read, .open, .alive, .unknown, .close, .delete: others.append(step)
            }
        }
        commands.sort { $0.requestID < $1.requestID }
        return commands.flatMap { command in
            [command]
                + frames.filter { shown($0, withValue) == shown(command, withValue) }.prefix(1)
        } + others
    }

    /// What an answer shows of the latch, without the token, which not every answer carries, and
    /// without the value, where an answer to the same entry does not.
    private static func shown(_ step: Partition.Step, _ withValue: Bool) -> PartitionView? {
        step.view.map {
            PartitionView(
                term: $0.term, token: nil, participants: $0.participants,
                value: withValue ? $0.value : nil)
        }
    }

    private mutating func endSessions(before time: UInt64) {
        while let first = over.last, first.time < time {
            over.removeLast()
            for position in states.indices { states[position].ended.insert(first.session) }
        }
    }

    /// Deletes may have taken effect since the last answer; those whose answer came before have.
    private mutating func deleteWhereDue(_ notBefore: UInt64, _ notAfter: UInt64) {
        guard !partition.deletes.isEmpty else { return }
        let sent = lateDeletes.prefix { $0 <= notAfter }.count
        keep(states.flatMap { afterDeletes($0, notBefore, notAfter, sent) })
    }

    /// Several deletes at once are like one. Which ones is open only where it matters: it is best
    /// to use up those that are over first, and those of unknown outcome last.
    private func afterDeletes(
        _ state: LatchModel, _ notBefore: UInt64, _ notAfter: UInt64, _ sent: Int
    ) -> [LatchModel] {
        let open = answeredDeletes.indices.filter {
            answeredDeletes[$0].invoked <= notAfter && !state.placedDeletes.contains($0)
        }
        let due = open.prefix { answeredDeletes[$0].returned < notBefore }.count
        let isAllowed = partition.allowsDelete(of: state, before: notAfter)
        var next = due == 0 ? [state] : []
        var deleted = state
        if state.isWorthDeleting {
            guard isAllowed else { return next }
            deleted.delete(in: partition)
        }
        for (count, number) in open.enumerated() {
            deleted.placedDeletes.insert(number)
            if count + 1 >= due { next.append(deleted) }
        }
        if open.isEmpty, state.isWorthDeleting, state.lateDeletes < sent {
            deleted.lateDeletes += 1
            next.append(deleted)
        }
        return next
    }

    private mutating func take(_ step: Partition.Step, _ number: Int, before bound: UInt64) {
        let place = LatchModel.Place(
            partition: partition, bound: bound, barred: order.barred { $0 < number },
            mostTries: budget.explanationTries)
        switch step.action {
        case .open(let session):
            guard !partition.deletes.isEmpty else { return }
            for position in states.indices { states[position].opened.insert(session) }
        case .command(let move, let reply):
            observe(
                reply, by: .init(session: move.session, move: move, requestID: step.requestID),
                place)
        case .read(let session, let view):
            observe(.view(view), by: .init(session: session), place)
        case .frame(let view):
            observe(.view(view), by: .nobody, place)
        case .alive, .unknown, .close, .delete:
            break
        }
    }

    private mutating func observe(
        _ reply: Reply, by observer: LatchModel.Observer, _ place: LatchModel.Place
    ) {
        if states.count == 1, partition.unknowns.isEmpty, case .view(let view) = reply {
            if let session = observer.session, states[0].ended.contains(session) {
                states = []
                return
            }
            if states[0].takeExpected(view, by: observer.move) { return }
        }
        var next: [LatchModel] = []
        var isComplete = true
        // The tries are the answer's, however many states are possible before it.
        var place = place
        place.mostTries = max(place.mostTries / max(states.count, 1), 1)
        for state in states {
            let seen = state.observe(reply, by: observer, at: place)
            next += seen.states
            if !seen.isComplete {
                isComplete = false
                doubt = "an answer has more than \(budget.explanationTries) explanations to try"
            }
        }
        if !isComplete { unfinishedAnswers += 1 }
        keep(next)
    }

    /// Takes over what is possible now: equal states once, and not more than the budget allows.
    private mutating func keep(_ possible: [LatchModel]) {
        guard possible.count > 1 else { return states = possible }
        var places: [LatchModel: Int] = [:]
        states = []
        for state in possible {
            var key = state
            key.lateDeletes = 0
            if let place = places[key] {
                states[place].lateDeletes = min(states[place].lateDeletes, state.lateDeletes)
            } else {
                places[key] = states.count
                states.append(state)
            }
        }
        guard states.count > budget.possibleStates else { return }
        doubt = "the replay has more than \(budget.possibleStates) possible states"
        states.removeLast(states.count - max(budget.possibleStates, 1))
    }

    private func contradiction(
        at step: Partition.Step, from states: [LatchModel]
    ) -> Result {
        let known = states.first.map(partition.describe) ?? "nothing"
        return .contradiction(
            claim: "answers in the order of their log indexes follow from one another: before "
                + "index \(step.index) latch \(HistoryText.quote(partition.latch)) had \(known); "
                + "the last operation cannot be told this",
            positions: previous + [step.position])
    }
}

extension Partition.Step {
    /// What it is answered of the latch.
    fileprivate var view: PartitionView? {
        switch action {
        case .command(_, .view(let view)), .read(_, let view), .frame(let view): view
        case .command, .open, .alive, .unknown, .close, .delete: nil
        }
    }
}
