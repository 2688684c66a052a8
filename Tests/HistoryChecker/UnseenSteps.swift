/// The search for what happened unseen before an answer, step by step: sessions ended, commands of
/// unknown outcome took effect, one at a time, and last of all the command that was answered.
///
/// Breadth first, so that what needs the least comes first. That one entry ends several sessions
/// needs no step of its own: those that wait went first.
struct UnseenSteps {
    private let reply: Reply
    private let observer: LatchModel.Observer
    private let place: LatchModel.Place
    private let partition: Partition
    private var found: [LatchModel] = []
    private var triesLeft: Int
    /// Commands, this one too, that take somebody out or change the order.
    private let takers: [Move]
    private let canReorder: Bool
    /// How often each participant is in the answer.
    private let wanted: [Int: Int]

    init(_ reply: Reply, _ observer: LatchModel.Observer, _ place: LatchModel.Place) {
        self.reply = reply
        self.observer = observer
        self.place = place
        partition = place.partition
        triesLeft = max(place.mostTries, 1)
        let moves =
            place.partition.unknowns.enumerated().filter {
                $1.invoked <= place.bound && !place.barred.contains($0)
            }.map(\.element.move) + (observer.move.map { [$0] } ?? [])
        takers = moves.filter { Self.takes($0) }
        canReorder = moves.contains { Self.reorders($0) }
        guard case .view(let view) = reply else {
            wanted = [:]
            return
        }
        wanted = Dictionary(view.participants.map { ($0, 1) }, uniquingKeysWith: +)
    }

    /// Every state that the answer leaves possible, and whether all were tried.
    mutating func run(from model: LatchModel) -> (states: [LatchModel], isComplete: Bool) {
        var open = [model]
        var seen: Set<LatchModel> = [model]
        var next = 0
        while next < open.count {
            triesLeft -= 1
            guard triesLeft > 0 else { break }
            let state = open[next]
            next += 1
            if finish(state), isEnough(state) { continue }
            for state in successors(of: state) where !isHopeless(state) {
                if seen.insert(state).inserted { open.append(state) }
            }
        }
        return (Self.freest(found), triesLeft > 0)
    }

    /// The answer comes now: whether it is the right one.
    private mutating func finish(_ state: LatchModel) -> Bool {
        guard state.members.allSatisfy({ !state.ended.contains($0.session) }) else { return false }
        var next = state
        switch (reply, observer.move) {
        case (.denied(let denial), let move?):
            guard next.denies(move, denial) else { return false }
        case (.done, let move?):
            guard next.perform(move) else { return false }
        case (.view(let view), let move):
            guard move.map({ next.perform($0) }) ?? true, next.takeView(view) else { return false }
        case (.denied, nil), (.done, nil):
            return false
        }
        next.forgetLateCommands(of: partition)
        if !found.contains(next) { found.append(next) }
        return true
    }

    /// Whether nothing more need be tried once the answer fits: what happens without being shown
    /// can as well happen later, but for what this command keeps out, and what sessions did that
    /// are over.
    private func isEnough(_ state: LatchModel) -> Bool {
        if case .view = reply { return false }
        return !partition.unknowns.enumerated().contains { position, unknown in
            guard place.admits(unknown, position, in: state), let session = unknown.move.session
            else { return false }
            return state.ended.contains(session)
                || session == observer.session && unknown.requestID > 0
                    && unknown.requestID < observer.requestID
        }
    }

    // MARK: Steps

    private func successors(of state: LatchModel) -> [LatchModel] {
        var states: [LatchModel] = []
        for session in Set(state.members.map(\.session)).sorted() where canEnd(session, in: state) {
            var next = state
            next.end(session)
            next.forgetLateCommands(of: partition)
            states.append(next)
        }
        for (position, unknown) in partition.unknowns.enumerated()
        where place.admits(unknown, position, in: state) && isWorthwhile(unknown.move) {
            var next = state
            guard next.perform(unknown.move), next != state else { continue }
            next.noteEffect(of: position, in: partition)
            states.append(next)
        }
        return states
    }

    private func canEnd(_ session: Int, in state: LatchModel) -> Bool {
        session != observer.session
            && (state.ended.contains(session)
                || partition.sessions[session].endFrom <= place.bound)
    }

    /// What is published and not in the answer may as well never have been.
    private func isWorthwhile(_ move: Move) -> Bool {
        guard case .publish(_, _, let value) = move, case .view(let view) = reply,
            let shown = view.value
        else { return true }
        return shown == value
    }

    // MARK: Dead ends

    /// Whether no steps can lead from here to the answer.
    private func isHopeless(_ state: LatchModel) -> Bool {
        guard case .view(let view) = reply else { return false }
        if state.term > view.term { return true }
        var known: [Int: Int] = [:]
        var staying: [Int: Int] = [:]
        var stays: [Int] = []
        for member in state.members {
            known[member.participant, default: 0] += 1
            if canGo(member, in: state) { continue }
            staying[member.participant, default: 0] += 1
            stays.append(member.participant)
        }
        if staying.contains(where: { $1 > wanted[$0] ?? 0 }) { return true }
        if wanted.contains(where: { $1 > (known[$0] ?? 0) + comers($0, in: state) }) { return true }
        return !canReorder && !isPart(stays, of: view.participants)
    }

    private func canGo(_ member: LatchModel.Member, in state: LatchModel) -> Bool {
        canEnd(member.session, in: state)
            || takers.contains {
                switch $0 {
                case .leave(member): true
                case .evict(member.participant, let session, _):
                    session == nil || session == member.session
                case .join, .leave, .handOver, .publish, .evict: false
                }
            }
    }

    /// How many of that name can still come.
    private func comers(_ participant: Int, in state: LatchModel) -> Int {
        let own = observer.move?.joining?.participant == participant ? 1 : 0
        return own
            + partition.unknowns.enumerated().count { position, unknown in
                unknown.move.joining?.participant == participant
                    && place.admits(unknown, position, in: state)
            }
    }

    private static func takes(_ move: Move) -> Bool {
        switch move {
        case .leave, .evict: true
        case .join, .handOver, .publish: false
        }
    }

    private static func reorders(_ move: Move) -> Bool {
        switch move {
        case .handOver: true
        case .join, .leave, .publish, .evict: false
        }
    }

    private func isPart(_ names: [Int], of shown: [Int]) -> Bool {
        var next = names[...]
        for name in shown where name == next.first { next.removeFirst() }
        return next.isEmpty
    }

    // MARK: Results

    /// Of states in which the latch is the same, those that leave the most open: what ended or took
    /// effect in them did so in the others too.
    private static func freest(_ states: [LatchModel]) -> [LatchModel] {
        guard states.count > 1 else { return states }
        return states.filter { state in
            !states.contains { $0 != state && $0.isAsFree(as: state) }
        }
    }
}

extension LatchModel {
    /// The same latch, and no session has ended and no command taken effect that has not here.
    fileprivate func isAsFree(as other: LatchModel) -> Bool {
        guard ended.isSubset(of: other.ended), tookEffect.isSubset(of: other.tookEffect) else {
            return false
        }
        var same = self
        same.ended = other.ended
        same.tookEffect = other.tookEffect
        return same == other
    }
}
