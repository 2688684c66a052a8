extension Raft {
    /// §5.2 and §8: the winner tells everybody at once, with a no-op that opens its term.
    mutating func becomeLeader(into effects: inout Effects) {
        precondition(role == .candidate, "only a candidate wins an election (Figure 4)")
        precondition(
            persistence.durableVote == Persist.Vote(currentTerm: currentTerm, votedFor: id),
            "Election Safety (§5.2): a leader's vote for itself is durable")
        role = .leader
        leader = id
        incomingSnapshot = nil
        election.suspect = nil
        election.hastenedDeadline = nil
        election.hastenedCampaigns = 0
        let noOp = Entry(index: log.lastIndex.next(), term: currentTerm, payload: [])
        leadership = Leadership()
        leadership.noOpIndex = noOp.index
        leadership.uncommittedBytes = log.payloadBytes(after: commitIndex)
        followers = ServerMap(
            ids: others, value: Follower(nextIndex: noOp.index, lastHeard: now))
        leadership.quorumDeadline = quorumDeadline
        effects.decisions.append(.becameLeader(term: currentTerm, noOpIndex: noOp.index))
        appendToLog(CollectionOfOne(noOp), into: &effects)
        sendHeartbeats(into: &effects)
    }

    /// Gives up what only a leader has. Each read it holds is answered now (C17).
    mutating func endLeadership(into effects: inout Effects) {
        refuseAllReads(.notLeader(leader: leader), into: &effects)
        if let transfer = leadership.transfer {
            effects.decisions.append(.abortedTransfer(to: transfer.target))
        }
        followers = ServerMap()
        leadership = Leadership()
    }

    mutating func noteHeard(from server: ServerID) {
        guard let position = followers.position(of: server) else { return }
        followers[position].lastHeard = now
    }

    /// CheckQuorum (thesis §6.2): a leader that has heard no majority for an election timeout steps
    /// down.
    ///
    /// True if this server still leads. A process that was paused is caught here as well, before it
    /// takes any proposal or read.
    mutating func confirmQuorum(into effects: inout Effects) -> Bool {
        guard now >= leadership.quorumDeadline else { return true }
        leadership.quorumDeadline = quorumDeadline
        if now < leadership.quorumDeadline { return true }
        becomeFollower(because: .quorumLost, into: &effects)
        return false
    }

    /// One election timeout after a majority was last heard.
    private var quorumDeadline: Instant {
        let heard = majorityValue(own: now.milliseconds) { $0.lastHeard.milliseconds }
        return Instant(milliseconds: heard).advanced(
            byMilliseconds: settings.electionTimeoutMilliseconds.upperBound)
    }

    /// The largest value that a majority of the servers has reached, this one included.
    func majorityValue(own: UInt64, _ value: (Follower) -> UInt64) -> UInt64 {
        var best: UInt64 = 0
        func consider(_ candidate: UInt64) {
            guard candidate > best else { return }
            var supporters = own >= candidate ? 1 : 0
            for (_, follower) in followers.elements where value(follower) >= candidate {
                supporters += 1
            }
            if supporters >= configuration.majority { best = candidate }
        }
        consider(own)
        for (_, follower) in followers.elements { consider(value(follower)) }
        return best
    }
}
