extension LatchModel {
    /// Who asked: the session must live, and its participant, if it joins, must be in the answer.
    struct Observer: Sendable {
        var session: Int?
        var participant: Int?

        /// A read without a session, or an event.
        static let nobody = Observer()

        var join: Member? {
            guard let session, let participant else { return nil }
            return Member(participant: participant, session: session)
        }
    }

    /// Where in the order an answer is: what can have happened unseen before it.
    struct Place {
        let partition: Partition
        /// It happened before this time (nanoseconds).
        let bound: UInt64
        /// Joins of unknown outcome that the order of their session's commands keeps out.
        let barred: Bits
        /// How much may be tried to explain one answer.
        let mostTries: Int
    }

    /// Every state in which the latch can be after an answer that shows `view`.
    ///
    /// Sessions may have ended and joins of unknown outcome may have taken effect since the last
    /// answer. The answer shows all that is left of them: members that are missing, members that
    /// are new, and terms in between.
    ///
    /// - Returns: states that are possible, and whether there are no others.
    func observe(
        _ view: PartitionView, by observer: Observer, at place: Place
    ) -> (states: [LatchModel], isComplete: Bool) {
        if let session = observer.session, ended.contains(session) { return ([], true) }
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
        observer.participant == participant
            || model.members[(position + 1)...].contains { $0.participant == participant }
            || partition.unknownJoins.contains { $0.member.participant == participant }
    }

    /// Explains the participants from `place` on, which are new.
    private mutating func matchAdditions(_ place: Int) {
        guard mayTry() else { return }
        guard place < view.participants.count else {
            let isJoined = observer.join.map { kept.contains($0) || added.contains($0) } ?? true
            if isJoined { settle() }
            return
        }
        let participant = view.participants[place]
        // The observer's own command comes last, if it is not in the latch already.
        if let join = observer.join, join.participant == participant,
            place == view.participants.count - 1, !kept.contains(join), !added.contains(join)
        {
            added.append(join)
            settle()
            added.removeLast()
        }
        // Of several joins of one member the first is as good as any: it keeps the fewest out.
        var tried: [LatchModel.Member] = []
        for (position, unknown) in partition.unknownJoins.enumerated()
        where unknown.member.participant == participant && isOpen(unknown, position)
            && !tried.contains(unknown.member)
        {
            tried.append(unknown.member)
            added.append(unknown.member)
            addedBy.append(position)
            matchAdditions(place + 1)
            added.removeLast()
            addedBy.removeLast()
        }
    }

    /// Whether a join of unknown outcome may have taken effect now, in a session that still lives.
    private func isOpen(_ unknown: Partition.UnknownJoin, _ position: Int) -> Bool {
        let member = unknown.member
        return canComeNow(unknown, position)
            && !kept.contains(member) && !added.contains(member)
            && !removed.contains(member.session) && !model.ended.contains(member.session)
            && !addedBy.contains { partition.unknownJoins[$0].isAfter(unknown) }
    }

    private func canComeNow(_ unknown: Partition.UnknownJoin, _ position: Int) -> Bool {
        unknown.invoked <= place.bound && !model.tookEffect.contains(position)
            && !place.barred.contains(position)
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
        for (position, unknown) in partition.unknownJoins.enumerated()
        where canComeNow(unknown, position) {
            let session = unknown.member.session
            guard canHaveEnded(session), !added.contains(where: { $0.session == session }),
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
        next.forgetLateJoins(of: partition)
        if seen.insert(next).inserted { found.append(next) }
    }
}
