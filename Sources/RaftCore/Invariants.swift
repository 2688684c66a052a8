extension Raft {
    /// Everything about one server that must hold between two steps. Linear in the log: for debug
    /// builds and the simulator.
    package func checkInvariants() {
        checkIndexes()
        checkPersistence()
        checkRole()
        checkFollowers()
    }

    /// I9: firstIndex − 1 ≤ snapshot ≤ applied ≤ committed ≤ last.
    private func checkIndexes() {
        precondition(log.baseIndex <= log.snapshotIndex, "the log joins its snapshot")
        precondition(log.snapshotIndex <= lastApplied, "a snapshot holds applied entries only")
        precondition(commitIndex <= log.lastIndex, "what is committed is in the log")
        precondition(log.lastTerm <= currentTerm, "no entry is of a later term")
        precondition(
            (snapshot?.lastIncludedIndex ?? .zero) == log.snapshotIndex, "log and snapshot agree")
        var previous = Term.zero
        var expected = log.firstIndex
        for entry in log.slice(from: log.firstIndex, through: log.lastIndex) {
            precondition(entry.index == expected, "indexes are contiguous")
            precondition(entry.term >= previous, "terms never decrease along the log")
            expected = expected.next()
            previous = entry.term
        }
    }

    private func checkPersistence() {
        let durable = persistence.durableVote
        precondition(
            persistence.durableIndex <= log.lastIndex, "the disk holds no more than the log")
        precondition(durable.currentTerm <= currentTerm, "the disk's term is not ahead")
        precondition(
            durable.currentTerm < currentTerm || durable.votedFor == nil
                || durable.votedFor == votedFor,
            "a vote does not change within its term (I2)")
        if let newest = persistence.queued.last {
            precondition(newest.id == persistence.lastID, "the newest batch has the newest id")
            precondition(newest.lastIndex == log.lastIndex, "everything is on its way to the disk")
        } else {
            precondition(persistence.durableIndex == log.lastIndex, "nothing is forgotten")
            precondition(durable.currentTerm == currentTerm, "no term is forgotten")
            precondition(durable.votedFor == votedFor, "no vote is forgotten")
        }
        precondition(
            persistence.unwrittenBytes == persistence.queued.reduce(0) { $0 + $1.bytes },
            "the bytes on their way to the disk are counted")
        for (earlier, later) in zip(persistence.queued, persistence.queued.dropFirst()) {
            precondition(earlier.id < later.id, "batches are queued in order")
            precondition(earlier.lastIndex <= later.lastIndex, "later batches hold more")
        }
    }

    private func checkRole() {
        switch role {
        case .leader:
            precondition(leader == id && votedFor == id, "a leader voted for itself (§5.2)")
            precondition(isTermDurable, "a leader's term is durable")
            precondition(followers.count == configuration.voters.count - 1)
            precondition(
                leadership.uncommittedBytes == log.payloadBytes(after: commitIndex),
                "the bytes past commitIndex are counted")
        case .candidate:
            precondition(leader == nil && votedFor == id, "a candidate votes for itself (§5.2)")
            precondition(followers.count == 0 && reads.pending.isEmpty && reads.held.isEmpty)
        case .follower, .preCandidate:
            precondition(leader != id, "only a leader is its own leader")
            precondition(followers.count == 0 && reads.pending.isEmpty && reads.held.isEmpty)
            precondition(leadership.transfer == nil)
        }
    }

    private func checkFollowers() {
        for (_, follower) in followers.elements {
            precondition(follower.matchIndex < follower.nextIndex, "match precedes next")
            precondition(follower.matchIndex <= log.lastIndex, "a match is an entry of this log")
            precondition(
                follower.nextIndex <= log.lastIndex.next(), "next is at most one past the log")
            precondition(follower.confirmedRound <= reads.round, "a round is begun, then confirmed")
            precondition(follower.mode == .replicate || follower.inFlight.isEmpty)
            precondition((follower.mode == .snapshot) == (follower.transfer != nil))
            let bytes = follower.inFlight.reduce(0) { $0 + $1.bytes }
            precondition(bytes == follower.inFlightBytes, "bytes in flight are counted")
        }
        for (earlier, later) in zip(reads.pending, reads.pending.dropFirst()) {
            precondition(earlier.round <= later.round, "reads wait in the order of their rounds")
        }
    }
}
