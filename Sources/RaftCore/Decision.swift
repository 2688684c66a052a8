/// Why a server did what it did, so that a trace reads as a story. Printing and logging are the
/// host's business.
package enum Decision: Sendable, Equatable {
    // Terms and roles
    case adoptedTerm(Term, from: ServerID)
    case followed(leader: ServerID, term: Term)
    case startedPreVote(term: Term, reason: CampaignReason)
    case startedElection(term: Term, isLeadershipTransfer: Bool)
    case becameLeader(term: Term, noOpIndex: LogIndex)
    case steppedDown(term: Term, reason: StepDownReason)
    case lostElection(term: Term, isPreVote: Bool)
    case countedVote(from: ServerID, term: Term, isPreVote: Bool, granted: Bool)

    // Votes for others
    case grantedVote(to: ServerID, term: Term, isPreVote: Bool)
    case refusedVote(to: ServerID, term: Term, isPreVote: Bool, reason: VoteRefusal)

    // Evidence
    case hastenedCampaign(leader: ServerID, delayMilliseconds: UInt64)
    case clearedEvidence(about: ServerID)

    // The log
    case appended(first: LogIndex, last: LogIndex, term: Term)
    case truncated(from: LogIndex)
    case refusedAppend(from: ServerID, reason: AppendRefusal)
    case committed(LogIndex)
    case probing(ServerID, nextIndex: LogIndex)
    case replicating(ServerID, nextIndex: LogIndex)
    /// A follower denies entries that it had acknowledged (D16).
    case lostMatch(ServerID, matchIndex: LogIndex, now: LogIndex)
    case refusedProposals(count: Int, reason: Refusal)

    // Reads
    case heldRead(ReadID)
    case beganReadRound(UInt64, readIndex: LogIndex)

    // Snapshots
    case sendingSnapshot(to: ServerID, lastIncludedIndex: LogIndex, offset: UInt64)
    case installedSnapshot(lastIncludedIndex: LogIndex, keptSuffix: Bool)
    case discardedSnapshot(lastIncludedIndex: LogIndex, reason: SnapshotRefusal)
    case tookSnapshot(lastIncludedIndex: LogIndex)
    case compactedLog(through: LogIndex)

    // Leadership transfer
    case startedTransfer(to: ServerID)
    case sentTimeoutNow(to: ServerID)
    case abortedTransfer(to: ServerID)
    case ignoredTransfer(reason: TransferRefusal)

    // Input that changes nothing
    case ignored(IgnoredReason)
    case ignoredMessage(from: ServerID, reason: IgnoredReason)

    /// Whether a person should look: it does not happen in a cluster whose disks keep their word.
    package var isAlarming: Bool {
        if case .lostMatch = self { return true }
        return false
    }
}

/// What moved a server to ask for pre-votes.
package enum CampaignReason: Sendable, Equatable {
    /// §5.2: nothing was heard from a leader for an election timeout.
    case electionTimeout
    /// The leader's process is known to be gone.
    case evidence
}

/// Why a leader or candidate became a follower.
package enum StepDownReason: Sendable, Equatable {
    /// §5.1: a message carried a higher term.
    case higherTerm
    /// Thesis §6.2: no majority was heard from within an election timeout.
    case quorumLost
    /// §5.2: another server won the election of this term.
    case otherLeader
    /// §5.2: this server's vote in its term goes to another.
    case grantedVote
}

/// Why a vote or pre-vote was refused.
package enum VoteRefusal: Sendable, Equatable {
    /// The asked term is not newer than ours.
    case staleTerm(ours: Term)
    /// §5.2: one vote a term.
    case alreadyVoted(for: ServerID)
    /// §5.4.1: our last entry is more up to date.
    case logBehind(mine: LogPosition, theirs: LogPosition)
    /// Thesis §4.2.3: we heard from this leader a moment ago.
    case leaderAlive(ServerID)
}

/// The term and index of an entry, compared as §5.4.1 compares logs.
package struct LogPosition: Sendable, Equatable, Comparable, CustomStringConvertible {
    package let index: LogIndex
    package let term: Term

    package init(index: LogIndex, term: Term) {
        self.index = index
        self.term = term
    }

    /// §5.4.1: the later term is more up to date; with equal terms, the longer log.
    package static func < (left: Self, right: Self) -> Bool {
        (left.term, left.index) < (right.term, right.index)
    }

    package var description: String { "\(index)@\(term)" }
}

/// Why AppendEntries was not accepted.
package enum AppendRefusal: Sendable, Equatable {
    case staleTerm(theirs: Term)
    /// §5.3: no entry at `prevLogIndex`.
    case gap(prevLogIndex: LogIndex, lastLogIndex: LogIndex)
    /// §5.3: the entry at `prevLogIndex` has another term.
    case conflict(prevLogIndex: LogIndex, theirs: Term, mine: Term)
}

/// Why a snapshot, received or taken, was not used.
package enum SnapshotRefusal: Sendable, Equatable {
    case notNewer
    case notApplied
    case otherTerm
    case checksumMismatch
    case tooLarge
}

/// Why a wish to hand leadership over was not followed.
package enum TransferRefusal: Sendable, Equatable {
    case notLeader
    case noSuchTarget
    case alreadyUnderWay
}

/// Why an input changed nothing.
package enum IgnoredReason: Sendable, Equatable {
    case unknownSender
    case claimsToBeUs
    case absurdValue
    case malformedEntries
    case staleTerm
    case staleReply
    case beyondOurLog
    case unknownPersist
}
