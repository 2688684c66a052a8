extension Raft {
    /// Figure 2, AppendEntries, receiver steps 2 to 5. Step 1 (the term) was taken by
    /// `acceptLeader`.
    mutating func handleAppendEntries(
        _ append: AppendEntries, from leader: ServerID, into effects: inout Effects
    ) {
        if let refusal = refusalOfPrevious(append) {
            effects.decisions.append(.refusedAppend(from: leader, reason: refusal))
            return replyMismatch(append, append.readRound, to: leader, into: &effects)
        }
        let lastNewIndex = append.prevLogIndex.advanced(by: append.entries.count)
        storeEntries(append, into: &effects)
        // C9: commit no further than this message vouches for; what follows may be another
        // leader's.
        commit(through: min(append.leaderCommit, lastNewIndex), into: &effects)
        // Leader Completeness: the leader has every entry that is committed here.
        replyMatched(append, through: max(lastNewIndex, commitIndex), to: leader, into: &effects)
    }

    /// Step 1: "reply false if term < currentTerm". Our term in the reply makes the old leader step
    /// down. If it leads again, in our term, it takes the reply for one to itself, and after a
    /// restart it counts its rounds anew: that of the past term must not confirm one (thesis §6.4).
    mutating func refuseStaleAppend(
        _ append: AppendEntries, of message: Message, into effects: inout Effects
    ) {
        effects.decisions.append(
            .refusedAppend(from: message.from, reason: .staleTerm(theirs: message.term)))
        replyMismatch(append, 0, to: message.from, into: &effects)
    }

    /// Step 2: "reply false if log doesn't contain an entry at prevLogIndex whose term matches
    /// prevLogTerm".
    private func refusalOfPrevious(_ append: AppendEntries) -> AppendRefusal? {
        guard append.prevLogIndex <= log.lastIndex else {
            return .gap(prevLogIndex: append.prevLogIndex, lastLogIndex: log.lastIndex)
        }
        guard let mine = log.term(at: append.prevLogIndex) else {
            // Before the log's base: committed, so it matches the leader's (Leader Completeness).
            return nil
        }
        guard mine != append.prevLogTerm else { return nil }
        precondition(
            append.prevLogIndex > commitIndex,
            "Leader Completeness (Figure 3): the leader lacks committed \(append.prevLogIndex)")
        return .conflict(
            prevLogIndex: append.prevLogIndex, theirs: append.prevLogTerm, mine: mine)
    }

    /// Steps 3 and 4: deletes only from a real conflict on (C8), then appends what is new.
    private mutating func storeEntries(_ append: AppendEntries, into effects: inout Effects) {
        var known = 0
        for entry in append.entries {
            if entry.index <= log.baseIndex {
                known += 1
                continue
            }
            guard let mine = log.term(at: entry.index) else { break }
            if mine != entry.term {
                truncateLog(from: entry.index, into: &effects)
                break
            }
            known += 1
        }
        let new = append.entries[known...]
        guard let first = new.first, let last = new.last else { return }
        appendToLog(new, into: &effects)
        effects.decisions.append(
            .appended(first: first.index, last: last.index, term: last.term))
    }

    /// A match is a promise: it waits for the disk, or speaks of the durable part only.
    private mutating func replyMatched(
        _ append: AppendEntries, through matchIndex: LogIndex, to leader: ServerID,
        into effects: inout Effects
    ) {
        guard append.expectsReply else { return }
        let isDurable = matchIndex <= persistence.durableIndex
        if isDurable || append.entries.isEmpty {
            let index = min(matchIndex, persistence.durableIndex)
            let reply = AppendEntriesReply(
                result: .matched(index), readRound: append.readRound, awaitsCommit: awaitsCommit)
            send(.appendEntriesReply(reply), to: leader, into: &effects)
        } else {
            let reply = AppendEntriesReply(
                result: .matched(matchIndex), readRound: append.readRound,
                awaitsCommit: awaitsCommit)
            sendAfterPersist(.appendEntriesReply(reply), to: leader, into: &effects)
        }
    }

    /// §5.3: tells where the last match can lie at best, so that the leader skips whole terms.
    private mutating func replyMismatch(
        _ append: AppendEntries, _ readRound: UInt64, to leader: ServerID,
        into effects: inout Effects
    ) {
        let candidate = log.lastIndex(
            atOrBefore: min(append.prevLogIndex.previous(), log.lastIndex),
            withTermAtMost: append.prevLogTerm)
        // What is committed matches every later leader.
        let hint = min(max(candidate, commitIndex), log.lastIndex)
        let reply = AppendEntriesReply(
            result: .mismatch(
                rejectedPrevLogIndex: append.prevLogIndex, hintIndex: hint,
                hintTerm: log.term(at: hint) ?? .zero),
            readRound: readRound, awaitsCommit: awaitsCommit)
        send(.appendEntriesReply(reply), to: leader, into: &effects)
    }
}
