extension Raft {
    /// Figure 2, "Rules for Leaders": what an answer to AppendEntries says about one follower.
    ///
    /// The caller has checked that it is of this term: in one term the match of a follower that
    /// keeps its disk never shrinks, so late and repeated answers are harmless (C7).
    mutating func handleAppendEntriesReply(
        _ reply: AppendEntriesReply, from server: ServerID, into effects: inout Effects
    ) {
        guard let position = followers.position(of: server) else { return }
        guard reply.readRound <= reads.round else {
            effects.decisions.append(.ignoredMessage(from: server, reason: .beyondOurLog))
            return
        }
        followers[position].awaitsCommit = reply.awaitsCommit
        let confirmed = followers[position].confirmedRound
        if reply.readRound > confirmed {
            followers[position].confirmedRound = reply.readRound
            grantConfirmedReads(into: &effects)
        }
        switch reply.result {
        case .matched(let index):
            noteMatch(index, at: position, into: &effects)
        case .mismatch(let rejected, let hintIndex, let hintTerm):
            noteMismatch(
                rejected, hint: LogPosition(index: hintIndex, term: hintTerm), at: position,
                into: &effects)
        }
    }

    /// "If successful: update nextIndex and matchIndex for follower".
    mutating func noteMatch(_ index: LogIndex, at position: Int, into effects: inout Effects) {
        let server = followers.id(at: position)
        guard index <= log.lastIndex else {
            effects.decisions.append(.ignoredMessage(from: server, reason: .beyondOurLog))
            return
        }
        let isProgress = index > followers[position].matchIndex
        if isProgress { followers[position].matchIndex = index }
        switch followers[position].mode {
        case .replicate:
            followers[position].noteArrived(through: index)
            let least = followers[position].matchIndex.next()
            if followers[position].nextIndex < least { followers[position].nextIndex = least }
        case .probe:
            if isProgress || index.next() >= followers[position].nextIndex {
                startReplicating(to: position, into: &effects)
            }
        case .snapshot:
            let matchIndex = followers[position].matchIndex
            if isProgress, log.term(at: matchIndex) != nil {
                startReplicating(to: position, into: &effects)
            } else {
                let next = max(followers[position].nextIndex, matchIndex.next())
                followers[position].nextIndex = next
            }
        }
        if isProgress { advanceCommitIndex(into: &effects) }
        guard role == .leader else { return }
        sendEntries(to: position, into: &effects)
        sendCommitNotice(to: position, into: &effects)
        if isProgress { continueTransfer(into: &effects) }
    }

    mutating func startReplicating(to position: Int, into effects: inout Effects) {
        let nextIndex = followers[position].matchIndex.next()
        followers[position].enter(.replicate, nextIndex: nextIndex)
        effects.decisions.append(
            .replicating(followers.id(at: position), nextIndex: nextIndex))
        // What is committed already would otherwise wait for the next entry or heartbeat.
        sendEntries(to: position, into: &effects)
        sendCommitNotice(to: position, into: &effects)
    }

    /// "If AppendEntries fails because of log inconsistency: decrement nextIndex and retry" (§5.3),
    /// a whole term at a time.
    private mutating func noteMismatch(
        _ rejected: LogIndex, hint: LogPosition, at position: Int, into effects: inout Effects
    ) {
        let follower = followers[position]
        let isStale: Bool
        switch follower.mode {
        case .probe: isStale = rejected != follower.nextIndex.previous()
        case .replicate:
            isStale = rejected >= follower.nextIndex || rejected <= follower.matchIndex
        case .snapshot: isStale = true
        }
        guard !isStale else {
            // B21: a late answer says nothing about the follower's log of today.
            effects.decisions.append(
                .ignoredMessage(from: followers.id(at: position), reason: .staleReply))
            return
        }
        let upperBound = min(hint.index, rejected.previous())
        let match = log.lastIndex(atOrBefore: upperBound, withTermAtMost: hint.term)
        if match < follower.matchIndex {
            // D16: it denies what it acknowledged. It lost its disk, or this is a late answer;
            // either way it counts for less from now on, which is always safe.
            effects.decisions.append(
                .lostMatch(
                    followers.id(at: position), matchIndex: follower.matchIndex, now: match))
            followers[position].matchIndex = match
        }
        probe(position, nextIndex: match.next(), into: &effects)
        sendEntries(to: position, into: &effects)
    }

    mutating func probe(_ position: Int, nextIndex: LogIndex, into effects: inout Effects) {
        followers[position].enter(.probe, nextIndex: nextIndex)
        effects.decisions.append(
            .probing(followers.id(at: position), nextIndex: followers[position].nextIndex))
    }

    /// The follower's process is gone, and with it whatever was in flight.
    mutating func loseLink(to server: ServerID, into effects: inout Effects) {
        guard let position = followers.position(of: server) else { return }
        if followers[position].mode == .replicate {
            probe(position, nextIndex: followers[position].matchIndex.next(), into: &effects)
        }
        followers[position].isPaused = true
    }

    /// The link is new: whatever was in flight on the old one may be lost.
    mutating func resumeLink(to server: ServerID, into effects: inout Effects) {
        guard let position = followers.position(of: server) else { return }
        switch followers[position].mode {
        case .replicate:
            probe(position, nextIndex: followers[position].matchIndex.next(), into: &effects)
        case .probe:
            followers[position].isPaused = false
        case .snapshot:
            sendSnapshotChunk(to: position, into: &effects)
        }
        sendEntries(to: position, into: &effects)
    }
}
