import RaftCore

extension Mark {
    /// The mark of a decision of the core, if it has one.
    init?(_ decision: Decision) {
        switch decision {
        case .adoptedTerm: self = .adoptedHigherTerm
        case .followed: self = .followedLeader
        case .startedPreVote(_, .electionTimeout): self = .preVoteByTimeout
        case .startedPreVote(_, .evidence): self = .preVoteByEvidence
        case .startedElection(_, let isTransfer):
            self = isTransfer ? .startedTransferElection : .startedElection
        case .becameLeader: self = .becameLeader
        case .lostElection(_, let isPreVote): self = isPreVote ? .lostPreVote : .lostElection
        case .grantedVote(_, _, let isPreVote): self = isPreVote ? .grantedPreVote : .grantedVote
        case .refusedVote(_, _, _, let reason): self.init(reason)
        case .steppedDown(_, .higherTerm): self = .stepDownByTerm
        case .steppedDown(_, .quorumLost): self = .stepDownByQuorum
        case .steppedDown(_, .otherLeader), .steppedDown(_, .grantedVote):
            self = .stepDownFromCandidate
        case .hastenedCampaign: self = .hastenedCampaign
        case .clearedEvidence: self = .clearedEvidence
        case .truncated: self = .truncated
        case .refusedAppend(_, .staleTerm): self = .appendRefusedByTerm
        case .refusedAppend(_, .gap): self = .appendRefusedByGap
        case .refusedAppend(_, .conflict): self = .appendRefusedByConflict
        case .probing: self = .probing
        case .refusedProposals(_, .overloaded), .refusedProposals(_, .payloadTooLong):
            self = .refusedOverloaded
        case .refusedProposals(_, .transferringLeadership): self = .refusedWhileTransferring
        case .refusedProposals(_, .notLeader): self = .refusedAsFollower
        case .heldRead: self = .heldRead
        case .beganReadRound: self = .beganReadRound
        case .sendingSnapshot(_, _, let offset):
            self = offset > 0 ? .sendingSnapshotChunk : .sendingSnapshot
        case .installedSnapshot(_, let keptSuffix):
            self = keptSuffix ? .installedWithSuffix : .installedSnapshot
        case .discardedSnapshot(_, .notNewer): self = .discardedOldSnapshot
        case .discardedSnapshot: self = .discardedSnapshot
        case .tookSnapshot: self = .tookSnapshot
        case .compactedLog: self = .compactedLog
        case .startedTransfer: self = .startedTransfer
        case .sentTimeoutNow: self = .sentTimeoutNow
        case .abortedTransfer: self = .abortedTransfer
        case .ignoredTransfer: self = .ignoredTransfer
        case .ignoredMessage(_, .staleReply): self = .droppedStaleReply
        case .ignoredMessage(_, .staleTerm): self = .ignoredStaleTerm
        case .ignoredMessage(_, .beyondOurLog): self = .ignoredMessageFromTheFuture
        case .lostMatch: self = .deniedMatch
        case .countedVote, .appended, .committed, .replicating, .ignored, .ignoredMessage:
            return nil
        }
    }

    private init(_ refusal: VoteRefusal) {
        switch refusal {
        case .staleTerm: self = .voteRefusedByTerm
        case .alreadyVoted: self = .voteRefusedAsGiven
        case .logBehind: self = .voteRefusedByLog
        case .leaderAlive: self = .voteRefusedForLeader
        }
    }
}
