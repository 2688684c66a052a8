extension Raft {
    /// Why `message` cannot come from a correct member of this cluster, or nil if it can.
    ///
    /// Peers' numbers are foreign: after this check, sums of them do not overflow, and entries are
    /// a slice of a log.
    func reasonToIgnore(_ message: Message) -> IgnoredReason? {
        if message.from == id { return .claimsToBeUs }
        guard configuration.voters.contains(message.from) else { return .unknownSender }
        guard message.term.rawValue < Raft.largestPlausible else { return .absurdValue }
        switch message.body {
        case .requestVote(let request):
            return Raft.reasonToIgnore(request, term: message.term)
        case .requestVoteReply:
            return nil
        case .appendEntries(let append):
            return Raft.reasonToIgnore(append, term: message.term)
        case .appendEntriesReply(let reply):
            return Raft.reasonToIgnore(reply)
        case .installSnapshot(let chunk):
            return Raft.reasonToIgnore(chunk, term: message.term)
        case .installSnapshotReply(let reply):
            return Raft.reasonToIgnore(reply)
        case .timeoutNow:
            return message.term > .zero ? nil : .absurdValue
        }
    }

    private static func isPlausible(_ index: LogIndex) -> Bool {
        index.rawValue <= largestPlausible
    }

    private static func reasonToIgnore(_ request: RequestVote, term: Term) -> IgnoredReason? {
        guard term > .zero, isPlausible(request.lastLogIndex), request.lastLogTerm < term
        else { return .absurdValue }
        return (request.lastLogIndex == .zero) == (request.lastLogTerm == .zero)
            ? nil : .absurdValue
    }

    private static func reasonToIgnore(_ append: AppendEntries, term: Term) -> IgnoredReason? {
        guard term > .zero, isPlausible(append.prevLogIndex), isPlausible(append.leaderCommit),
            append.prevLogTerm <= term,
            // B05: only index 0 has term 0; a compacted entry must never pass as it.
            (append.prevLogIndex == .zero) == (append.prevLogTerm == .zero)
        else { return .absurdValue }
        var previous = LogPosition(index: append.prevLogIndex, term: append.prevLogTerm)
        for entry in append.entries {
            guard entry.index.rawValue == previous.index.rawValue + 1,
                entry.term >= previous.term, entry.term > .zero, entry.term <= term,
                entry.payload.count <= Entry.maximumPayloadBytes
            else { return .malformedEntries }
            previous = LogPosition(index: entry.index, term: entry.term)
        }
        return isPlausible(previous.index) ? nil : .absurdValue
    }

    private static func reasonToIgnore(_ reply: AppendEntriesReply) -> IgnoredReason? {
        switch reply.result {
        case .matched(let index):
            return isPlausible(index) ? nil : .absurdValue
        case .mismatch(let rejected, let hint, let hintTerm):
            let isSound =
                isPlausible(rejected) && isPlausible(hint) && hintTerm.rawValue <= largestPlausible
            return isSound ? nil : .absurdValue
        }
    }

    private static func reasonToIgnore(_ chunk: InstallSnapshot, term: Term) -> IgnoredReason? {
        guard term > .zero, isPlausible(chunk.lastIncludedIndex), chunk.lastIncludedIndex > .zero,
            chunk.lastIncludedTerm > .zero, chunk.lastIncludedTerm <= term,
            chunk.totalBytes <= UInt64(Snapshot.maximumBytes), chunk.offset <= chunk.totalBytes,
            UInt64(chunk.chunk.count) <= chunk.totalBytes - chunk.offset
        else { return .absurdValue }
        return nil
    }

    private static func reasonToIgnore(_ reply: InstallSnapshotReply) -> IgnoredReason? {
        guard isPlausible(reply.lastIncludedIndex) else { return .absurdValue }
        switch reply.result {
        case .expecting: return nil
        case .installed(let matchIndex): return isPlausible(matchIndex) ? nil : .absurdValue
        }
    }
}
