extension Raft {
    /// Thesis §3.10, step 1: stops taking requests, brings the target up to date, then lets it
    /// campaign.
    mutating func transferLeadership(to wish: ServerID?, into effects: inout Effects) {
        guard role == .leader, confirmQuorum(into: &effects) else {
            effects.decisions.append(.ignoredTransfer(reason: .notLeader))
            return
        }
        guard let target = wish ?? mostUpToDateFollower, followers[target] != nil else {
            effects.decisions.append(.ignoredTransfer(reason: .noSuchTarget))
            return
        }
        guard leadership.transfer?.target != target else {
            effects.decisions.append(.ignoredTransfer(reason: .alreadyUnderWay))
            return
        }
        if let earlier = leadership.transfer {
            effects.decisions.append(.abortedTransfer(to: earlier.target))
        }
        leadership.transfer = Leadership.Transfer(
            target: target,
            deadline: now.advanced(
                byMilliseconds: settings.electionTimeoutMilliseconds.upperBound))
        effects.decisions.append(.startedTransfer(to: target))
        continueTransfer(into: &effects)
    }

    /// Step 2: "when the target's log is up to date, the prior leader sends a TimeoutNow request".
    mutating func continueTransfer(into effects: inout Effects) {
        guard let transfer = leadership.transfer, let follower = followers[transfer.target],
            follower.matchIndex == log.lastIndex
        else { return }
        effects.decisions.append(.sentTimeoutNow(to: transfer.target))
        send(.timeoutNow, to: transfer.target, into: &effects)
    }

    /// "If leadership transfer does not complete after about an election timeout, the leader
    /// aborts" (C20).
    mutating func abortOverdueTransfer(into effects: inout Effects) {
        guard let transfer = leadership.transfer, now >= transfer.deadline else { return }
        leadership.transfer = nil
        effects.decisions.append(.abortedTransfer(to: transfer.target))
    }

    /// Step 3: the target campaigns at once; its request tells voters that stickiness does not
    /// bind.
    mutating func handleTimeoutNow(_ message: Message, into effects: inout Effects) {
        if message.term > currentTerm { adoptTerm(of: message, into: &effects) }
        let isFree = role == .follower || role == .preCandidate
        guard message.term == currentTerm, isFree, leader == nil || leader == message.from
        else {
            effects.decisions.append(.ignoredMessage(from: message.from, reason: .staleTerm))
            return
        }
        startElection(isLeadershipTransfer: true, into: &effects)
    }

    /// The follower that needs the least; the lowest id among equals. Not one whose process is
    /// gone.
    private var mostUpToDateFollower: ServerID? {
        var best: (id: ServerID, matchIndex: LogIndex)?
        for (id, follower) in followers.elements where !election.unreachable.contains(id) {
            if let best, best.matchIndex >= follower.matchIndex { continue }
            best = (id, follower.matchIndex)
        }
        return best?.id
    }
}
