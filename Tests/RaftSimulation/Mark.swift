/// The rare states that a run may reach: each is noted where it happens, and the share that many
/// seeds reach is printed. A new branch deserves a new mark.
package enum Mark: Int, CaseIterable, Sendable {
    // Elections
    case adoptedHigherTerm, followedLeader, preVoteByTimeout, preVoteByEvidence, startedElection
    case startedTransferElection, becameLeader, becameLeaderAgain, lostPreVote, lostElection
    case grantedVote, grantedPreVote, voteRefusedByTerm, voteRefusedAsGiven, voteRefusedByLog
    case voteRefusedForLeader, stepDownByTerm, stepDownByQuorum, stepDownFromCandidate
    case hastenedCampaign, clearedEvidence, splitVote, electionWhileSnapshotArrives
    // The log
    case truncated, appendRefusedByTerm, appendRefusedByGap
    case appendRefusedByConflict, probing, committedMany, committedOldTerm, refusedOverloaded
    case refusedWhileTransferring, refusedAsFollower, droppedStaleReply, deniedMatch
    case ignoredStaleTerm, ignoredMessageFromTheFuture
    // Reads
    case heldRead, beganReadRound, grantedRead, refusedRead, readThroughFollower
    case askedOldLeader, askedOldLeaderAfterCommit
    case readInSession, readOfUnknownSession, readExpired, readOfList
    // Snapshots
    case sendingSnapshot, sendingSnapshotChunk, installedSnapshot, installedWithSuffix
    case discardedOldSnapshot, discardedSnapshot, tookSnapshot, compactedLog
    case installedUnderSubscribers, installedUnderCalls, restartedFromSnapshot
    case snapshotLostInCrash, restoredAtNewNode
    // Transfers
    case startedTransfer, sentTimeoutNow, abortedTransfer, ignoredTransfer, retiredLeader
    case retiredFollower, transferCompleted
    // Disk
    case persisted, groupCommit, lostWrite, lostVote, lostAppend, survivedUnacknowledged
    case crashBeforeWrite, crashAfterWrite, slowDisk, failedDisk, restartedEmpty
    // Processes
    case crashed, crashedLeader, crashedAll, crashedAgainEarly, restarted, stopped
    case stoppedLeader, stoppedLong, resumedOldLeader, driftingClocks
    // Network
    case lostFrame, duplicatedFrame, stragglingFrame, linkDown, linkUp
    case linkTimedOut, unreachablePeer, falseEvidence, bufferFull, stalledFrames, bridge
    case isolated, stranded, deaf, mute, split, flapped, ambushed, partitionedLeader
    case staleFrameAfterReconnect, isolatedLeader, halfIsolatedLeader, heldMessages
    case lateReply, lateReplyBeyondMatch
    // Calls
    case answeredCall, retriedCall, lostReply, answeredAtSecondNode, forwardedCalls
    case outcomeUnknown, failedWithoutLeader, failedOverloaded, failedStopping, failedGap
    case abandonedCall, renewedTogether, refusedProposalsFrame, refusedLate
    case staleAnswer
    // Sessions and latches
    case openedSession, expiredSession, expiredMany
    case closedHolder, deletedPrimitive, unknownSession, deniedRenewal
    case abandonedSession, repeatedAnswer, heldCommand, heldAnswer, closedGap
    case voidedRequest, alreadyAcknowledged, participantLimit, heldLimit, grantedToWaiter
    case joinedTwice, sharedName, unsequenced, graceEntry
    case left, handedOver, handedOverByOperator, published, evicted, tokenMoved, handOverRefused
    case grantLimit, ledgerFull, readOfLedger
    // Observers
    case observed, observedElsewhere, observedWhenApplied, observedAfterInstall, observedDeletion
    // Streams
    case openedStream, resumedStream, resumedElsewhere, replayedFrames, abandonedTaken
    case abandonedLagged, endedByRing, closedStream, closedWithSession, framesInOrder

    /// The name in words.
    package var name: String {
        var words = ""
        for character in "\(self)" {
            words += character.isUppercase ? " " + character.lowercased() : String(character)
        }
        return words
    }

    var position: Int { rawValue }
}
