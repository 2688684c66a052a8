extension Decision: CustomStringConvertible {
    /// The decision in words, without the name of the server that took it.
    package var description: String {
        switch self {
        case .adoptedTerm(let term, let from): "adopts term \(term) from \(from)"
        case .followed(let leader, let term): "follows \(leader) in term \(term)"
        case .startedPreVote(let term, let reason):
            "asks for pre-votes in term \(term): \(reason)"
        case .startedElection(let term, let isTransfer):
            "campaigns in term \(term)\(isTransfer ? ": the leader hands over" : "")"
        case .becameLeader(let term, let index):
            "leads term \(term), opens it with a no-op at \(index)"
        case .steppedDown(let term, let reason): "steps down in term \(term): \(reason)"
        case .lostElection(let term, let isPreVote):
            "cannot win the \(isPreVote ? "pre-vote" : "election") of term \(term)"
        case .countedVote(let from, let term, let isPreVote, let granted):
            "counts a \(granted ? "granted" : "refused") \(isPreVote ? "pre-vote" : "vote") "
                + "of \(from) in term \(term)"
        case .grantedVote(let to, let term, let isPreVote):
            "grants its \(isPreVote ? "pre-vote" : "vote") in term \(term) to \(to)"
        case .refusedVote(let to, let term, let isPreVote, let reason):
            "refuses \(to) its \(isPreVote ? "pre-vote" : "vote") in term \(term): \(reason)"
        case .hastenedCampaign(let leader, let delay):
            "believes that leader \(leader) is gone, campaigns in \(delay) ms"
        case .clearedEvidence(let about): "hears from \(about) again"
        case .appended(let first, let last, let term):
            first == last
                ? "appends \(first)@\(term)" : "appends \(first)…\(last), the last of term \(term)"
        case .truncated(let from): "truncates its log from \(from)"
        case .refusedAppend(let from, let reason): "refuses entries of \(from): \(reason)"
        case .committed(let index): "commits \(index)"
        case .probing(let server, let nextIndex): "probes \(server) at \(nextIndex)"
        case .replicating(let server, let nextIndex):
            "replicates to \(server) from \(nextIndex)"
        case .lostMatch(let server, let matchIndex, let now):
            "finds that \(server), which had entries to \(matchIndex), has them to \(now) only: "
                + "did it lose its disk?"
        case .refusedProposals(let count, let reason):
            "refuses \(count) proposal\(count == 1 ? "" : "s"): \(reason)"
        case .heldRead(let read): "holds read \(read.rawValue) until its term has a commit"
        case .beganReadRound(let round, let index):
            "confirms its leadership in round \(round) for reads at \(index)"
        case .sendingSnapshot(let to, let index, let offset):
            "sends \(to) its snapshot at \(index), from byte \(offset)"
        case .installedSnapshot(let index, let keptSuffix):
            "installs the snapshot at \(index)\(keptSuffix ? ", keeps the entries after it" : "")"
        case .discardedSnapshot(let index, let reason):
            "does not use the snapshot at \(index): \(reason)"
        case .tookSnapshot(let index): "takes a snapshot at \(index)"
        case .compactedLog(let index): "forgets its log through \(index)"
        case .startedTransfer(let to): "hands leadership to \(to)"
        case .sentTimeoutNow(let to): "tells \(to) to campaign now"
        case .abortedTransfer(let to): "gives up handing leadership to \(to)"
        case .ignoredTransfer(let reason): "does not hand over: \(reason)"
        case .ignored(let reason): "ignores its input: \(reason)"
        case .ignoredMessage(let from, let reason): "ignores a message of \(from): \(reason)"
        }
    }
}

extension CampaignReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .electionTimeout: "no leader was heard"
        case .evidence: "the leader's process is gone"
        }
    }
}

extension StepDownReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .higherTerm: "there is a newer term"
        case .quorumLost: "no majority was heard"
        case .otherLeader: "another server leads"
        case .grantedVote: "it votes for another server"
        }
    }
}

extension VoteRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .staleTerm(let ours): "term \(ours) is here already"
        case .alreadyVoted(let other): "its vote is \(other)'s"
        case .logBehind(let mine, let theirs): "log \(mine) is ahead of \(theirs)"
        case .leaderAlive(let leader): "leader \(leader) was heard a moment ago"
        }
    }
}

extension AppendRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .staleTerm(let theirs): "term \(theirs) is over"
        case .gap(let prev, let last): "they follow \(prev), the log ends at \(last)"
        case .conflict(let prev, let theirs, let mine):
            "entry \(prev) is of term \(mine), not \(theirs)"
        }
    }
}

extension SnapshotRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notNewer: "it is not newer than what is here"
        case .notApplied: "it holds what is not applied here"
        case .otherTerm: "its last entry is of another term"
        case .checksumMismatch: "its checksum is wrong"
        case .tooLarge: "it is too large"
        }
    }
}

extension TransferRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notLeader: "it does not lead"
        case .noSuchTarget: "there is no such other server"
        case .alreadyUnderWay: "it is handing over already"
        }
    }
}

extension IgnoredReason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unknownSender: "the sender is no member"
        case .claimsToBeUs: "the sender claims to be this server"
        case .absurdValue: "a term, index or size is absurd"
        case .malformedEntries: "the entries are no slice of a log"
        case .staleTerm: "its term is over"
        case .staleReply: "it answers an earlier question"
        case .beyondOurLog: "it speaks of entries that were never sent"
        case .unknownPersist: "no such persist was handed out"
        }
    }
}

extension Refusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notLeader(let leader?): "\(leader) leads"
        case .notLeader(nil): "no leader is known"
        case .transferringLeadership(let target): "leadership goes to \(target)"
        case .overloaded: "too much is uncommitted"
        case .payloadTooLong(let bytes, let limit): "\(bytes) bytes are over the limit of \(limit)"
        }
    }
}
