extension LatchModel {
    /// Who asked: the session must live, and its command must fit the answer.
    struct Observer: Sendable {
        var session: Int?
        var move: Move?
        /// 0 if the command is not sequenced.
        var requestID: UInt64 = 0

        /// A read without a session, or an event.
        static let nobody = Observer()
    }

    /// Where in the order an answer is: what can have happened unseen before it.
    struct Place {
        let partition: Partition
        /// It happened before this time (nanoseconds).
        let bound: UInt64
        /// Commands of unknown outcome that the order of their session's commands keeps out.
        let barred: Bits
        /// How much may be tried to explain one answer.
        var mostTries: Int

        /// Whether a command of unknown outcome may take effect now.
        func admits(_ unknown: Partition.UnknownCommand, _ position: Int, in model: LatchModel)
            -> Bool
        {
            unknown.invoked <= bound && !model.tookEffect.contains(position)
                && !barred.contains(position)
        }
    }

    /// Every state in which the latch can be after an answer.
    ///
    /// Sessions may have ended and commands of unknown outcome may have taken effect since the last
    /// answer. The answer shows all that is left of them: members that are missing, members that
    /// are new, and terms in between. Where only joins can have, it is compared as a whole; other
    /// commands are tried step by step (``UnseenSteps``).
    ///
    /// - Returns: states that are possible, and whether there are no others.
    func observe(
        _ reply: Reply, by observer: Observer, at place: Place
    ) -> (states: [LatchModel], isComplete: Bool) {
        if let session = observer.session, ended.contains(session) { return ([], true) }
        guard case .view(let view) = reply, observer.move.map({ $0.joining != nil }) ?? true,
            !place.partition.hasOtherUnknowns
                || !place.partition.unknowns.enumerated().contains(where: {
                    $1.move.joining == nil && place.admits($1, $0, in: self)
                })
        else {
            var steps = UnseenSteps(reply, observer, place)
            return steps.run(from: self)
        }
        var explanation = Explanation(model: self, view: view, observer: observer, at: place)
        explanation.matchMembers(0, 0)
        return (explanation.found, explanation.triesLeft > 0)
    }
}

/// The search for what happened unseen between two answers.
private struct Explanation {
    let model: LatchModel
    let view: PartitionView
    let observer: LatchModel.Observer
    /// Who the command that was answered brings in.
    let join: LatchModel.Member?
    let partition: Partition
    let place: LatchModel.Place
    private(set) var found: [LatchModel] = []
    /// 0: something was left untried.
    private(set) var triesLeft: Int

    private var seen: Set<LatchModel> = []

    private var removed: Set<Int> = []
    private var kept: [LatchModel.Member] = []
    private var added: [LatchModel.Member] = []
    /// Positions of the joins of unknown outcome that `added` comes from.
    private var addedBy: [Int] = []

    init(
        model: LatchModel, view: PartitionView, observer: LatchModel.Observer,
        at place: LatchModel.Place
    ) {
        self.model = model
        self.view = view
        self.observer = observer
        join = observer.move?.joining
        self.place = place
        partition = place.partition
        triesLeft = max(place.mostTries, 1)
    }

    private mutating func mayTry() -> Bool {
        if triesLeft > 0 { triesLeft -= 1 }
        return triesLeft > 0
    }

    private func canHaveEnded(_ session: Int) -> Bool {
        if session == observer.session { return false }
        return model.ended.contains(session) || partition.sessions[session].endFrom <= place.bound
    }

    /// Decides for each member from `position` on whether it stayed, as the participant at `place`
    /// of the answer. A session goes with all its participants.
    mutating func matchMembers(_ position: Int, _ place: Int) {
        guard mayTry() else { return }
        guard position < model.members.count else { return matchAdditions(place) }
        let member = model.members[position]
        if removed.contains(member.session) { return matchMembers(position + 1, place) }

        let isThere =
            place < view.participants.count && view.participants[place] == member.participant
        if isThere, !model.ended.contains(member.session) {
            kept.append(member)
            matchMembers(position + 1, place + 1)
            kept.removeLast()
        }
        guard canHaveEnded(member.session),
            !kept.contains(where: { $0.session == member.session }),
            !isThere || hasSecondSource(of: member.participant, after: position)
        else { return }
        removed.insert(member.session)
        matchMembers(position + 1, place)
        removed.remove(member.session)
    }

    /// Whether a participant in the answer may be another one of the same name.
    private func hasSecondSource(of participant: Int, after position: Int) -> Bool {
        join?.participant == participant
            || model.members[(position + 1)...].contains { $0.participant == participant }
            || partition.unknowns.contains { $0.move.joining?.participant == participant }
    }

    /// Explains the participants from `place` on, which are new.
    private mutating func matchAdditions(_ place: Int) {
        guard mayTry() else { return }
        guard place < view.participants.count else {
            let isJoined = join.map { kept.contains($0) || added.contains($0) } ?? true
            if isJoined { settle() }
            return
        }
        let participant = view.participants[place]
        // The observer's own command comes last, if it is not in the latch already.
        if let join, join.participant == participant,
            place == view.participants.count - 1, !kept.contains(join), !added.contains(join)
        {
            added.append(join)
            settle()
            added.removeLast()
        }
        // Of several joins of one member the first is as good as any: it keeps the fewest out.
        var tried: [LatchModel.Member] = []
        for (position, unknown) in partition.unknowns.enumerated() {
            guard let member = unknown.move.joining, member.participant == participant,
                isOpen(unknown, member, position), !tried.contains(member)
            else { continue }
            tried.append(member)
            added.append(member)
            addedBy.append(position)
            matchAdditions(place + 1)
            added.removeLast()
            addedBy.removeLast()
        }
    }

    /// Whether a join of unknown outcome may have taken effect now, in a session that still lives.
    private func isOpen(
        _ unknown: Partition.UnknownCommand, _ member: LatchModel.Member, _ position: Int
    ) -> Bool {
        place.admits(unknown, position, in: model)
            && !kept.contains(member) && !added.contains(member)
            && !removed.contains(member.session) && !model.ended.contains(member.session)
            && !addedBy.contains { partition.unknowns[$0].isAfter(unknown) }
    }

    /// All members are explained: compares the number of grants.
    private mutating func settle() {
        let (least, most) = grants
        guard view.term >= model.term else { return }
        let steps = view.term - model.term
        guard steps >= least else { return }
        if steps <= most { return take(steps, ghosts: []) }
        // Only while the latch was empty of all others could somebody hold it whom no answer
        // shows.
        guard removedEverybody else { return }
        let ghosts = possibleGhosts
        guard steps - most <= UInt64(ghosts.count) else { return }
        choose(Int(steps - most), of: ghosts[...], [], steps)
    }

    private var removedEverybody: Bool { kept.isEmpty }

    /// How often the latch was granted at least and at most, if only these members took part.
    ///
    /// Sessions at the head that went one after the other each passed the latch on; sessions that
    /// one entry ended, or that went before they were at the head, did not.
    private var grants: (least: UInt64, most: UInt64) {
        let isHeld = !view.participants.isEmpty
        guard let first = model.members.first else {
            return isHeld ? (1, 1) : (0, 0)
        }
        guard removed.contains(first.session) else { return (0, 0) }
        var head: Set<Int> = []
        for member in model.members {
            guard removed.contains(member.session) else { break }
            head.insert(member.session)
        }
        let heads = UInt64(head.count)
        return isHeld ? (1, heads) : (0, heads - 1)
    }

    /// Sessions whose join of unknown outcome may have held the latch and gone again.
    private var possibleGhosts: [Int] {
        var sessions: Set<Int> = []
        for (position, unknown) in partition.unknowns.enumerated() {
            guard let session = unknown.move.joining?.session,
                place.admits(unknown, position, in: model), canHaveEnded(session),
                !added.contains(where: { $0.session == session }),
                !model.members.contains(where: { $0.session == session })
            else { continue }
            sessions.insert(session)
        }
        return sessions.sorted()
    }

    private mutating func choose(
        _ count: Int, of ghosts: ArraySlice<Int>, _ chosen: [Int], _ steps: UInt64
    ) {
        guard mayTry() else { return }
        if count == 0 { return take(steps, ghosts: chosen) }
        guard let first = ghosts.first, ghosts.count >= count else { return }
        choose(count - 1, of: ghosts.dropFirst(), chosen + [first], steps)
        choose(count, of: ghosts.dropFirst(), chosen, steps)
    }

    private mutating func take(_ steps: UInt64, ghosts: [Int]) {
        var next = model
        guard next.takeTerm(view, steps: steps) else { return }
        next.members = kept + added
        for session in removed { next.ended.insert(session) }
        for session in ghosts { next.ended.insert(session) }
        for position in addedBy { next.noteEffect(of: position, in: partition) }
        next.forgetLateCommands(of: partition)
        if seen.insert(next).inserted { found.append(next) }
    }
}
