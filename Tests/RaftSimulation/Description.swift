package import RaftCore

// The words in which traces and transcripts tell messages and effects.

extension Message {
    /// The message in a few words, without its sender and receiver.
    package var summary: String {
        switch body {
        case .requestVote(let request):
            let kind = request.isPreVote ? "pre-vote?" : "vote?"
            let last = "\(request.lastLogIndex)@\(request.lastLogTerm)"
            return "\(kind) term \(term), log \(last)"
                + (request.isLeadershipTransfer ? ", by transfer" : "")
        case .requestVoteReply(let reply):
            let kind = reply.isPreVote ? "pre-vote" : "vote"
            return "\(kind) \(reply.voteGranted ? "granted" : "refused"), term \(term)"
        case .appendEntries(let append):
            return "term \(term), \(append.summary)"
        case .appendEntriesReply(let reply):
            return "term \(term), \(reply.summary)"
        case .installSnapshot(let chunk):
            let last = "\(chunk.lastIncludedIndex)@\(chunk.lastIncludedTerm)"
            let end = chunk.offset + UInt64(chunk.chunk.count)
            return
                "term \(term), snapshot \(last) bytes \(chunk.offset)..<\(end) of \(chunk.totalBytes)"
        case .installSnapshotReply(let reply):
            switch reply.result {
            case .expecting(let offset):
                return "term \(term), snapshot \(reply.lastIncludedIndex): expects byte \(offset)"
            case .installed(let match):
                return "term \(term), snapshot \(reply.lastIncludedIndex): matches to \(match)"
            }
        case .timeoutNow:
            return "term \(term), campaign now"
        }
    }
}

extension AppendEntries {
    var summary: String {
        let after = "after \(prevLogIndex)@\(prevLogTerm)"
        let commit = "commit \(leaderCommit)"
        let round = readRound > 0 ? ", round \(readRound)" : ""
        guard let first = entries.first, let last = entries.last else {
            return "\(expectsReply ? "heartbeat" : "notice") \(after), \(commit)\(round)"
        }
        let range = first.index == last.index ? "\(first.index)" : "\(first.index)…\(last.index)"
        return "entries \(range)@\(last.term) \(after), \(commit)\(round)"
    }
}

extension AppendEntriesReply {
    var summary: String {
        let round = readRound > 0 ? ", round \(readRound)" : ""
        switch result {
        case .matched(let index):
            return "matches to \(index)\(round)"
        case .mismatch(let rejected, let hint, let term):
            return "no match at \(rejected), try \(hint)@\(term)\(round)"
        }
    }
}

extension Persist {
    /// What becomes durable together.
    package var summary: String {
        var parts: [String] = []
        if let vote {
            parts.append("term \(vote.currentTerm)" + (vote.votedFor.map { " vote \($0)" } ?? ""))
        }
        if let snapshot {
            parts.append("snapshot \(snapshot.lastIncludedIndex)@\(snapshot.lastIncludedTerm)")
        }
        if resetsLog { parts.append("an empty log") }
        if let truncateFrom { parts.append("cut from \(truncateFrom)") }
        if let first = append.first, let last = append.last {
            parts.append(
                first.index == last.index
                    ? "\(first.index)@\(first.term)" : "\(first.index)…\(last.index)@\(last.term)")
        }
        if let purgeThrough { parts.append("purge to \(purgeThrough)") }
        return parts.isEmpty ? "nothing new" : parts.joined(separator: ", ")
    }
}

extension ReadGrant {
    package var summary: String {
        switch result {
        case .granted(let index): "read \(id.rawValue) granted at \(index)"
        case .refused(let refusal): "read \(id.rawValue) refused: \(refusal)"
        }
    }
}

extension ProposalFate {
    package var summary: String {
        switch result {
        case .appended(let index, let term): "proposal \(id.rawValue) is entry \(index)@\(term)"
        case .refused(let refusal): "proposal \(id.rawValue) refused: \(refusal)"
        }
    }
}

extension Status {
    /// One server in one line.
    package var summary: String {
        "\(role) term \(currentTerm), vote \(votedFor.map(\.description) ?? "-"), leader "
            + "\(leader.map(\.description) ?? "-"), log \(firstLogIndex)…\(lastLogIndex), durable "
            + "\(durableIndex), commit \(commitIndex), snapshot \(snapshotIndex)"
    }
}
