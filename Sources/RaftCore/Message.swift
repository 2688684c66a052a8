/// One message between two servers: the RPCs of Figures 2 and 13 and of the thesis, and their
/// replies.
package struct Message: Hashable, Sendable {
    package let from: ServerID
    /// The sender's `currentTerm`; for a pre-vote, the term it would campaign in (see
    /// ``RequestVote``).
    package let term: Term
    package let body: Body

    package init(from: ServerID, term: Term, body: Body) {
        self.from = from
        self.term = term
        self.body = body
    }

    package enum Body: Hashable, Sendable {
        case requestVote(RequestVote)
        case requestVoteReply(RequestVoteReply)
        case appendEntries(AppendEntries)
        case appendEntriesReply(AppendEntriesReply)
        case installSnapshot(InstallSnapshot)
        case installSnapshotReply(InstallSnapshotReply)
        case timeoutNow
    }
}

/// A message and where it goes.
package struct Envelope: Hashable, Sendable {
    package let to: ServerID
    package let message: Message
    package init(to: ServerID, message: Message) {
        self.to = to
        self.message = message
    }
}

/// Figure 2, RequestVote; with `isPreVote`, the question of thesis §9.6 that changes no state.
package struct RequestVote: Hashable, Sendable {
    package let lastLogIndex: LogIndex
    package let lastLogTerm: Term
    package let isPreVote: Bool
    /// Names this round of asking, so that a late reply to an earlier round is not counted.
    package let round: UInt64
    /// True after TimeoutNow: leader stickiness does not apply (thesis §4.2.3).
    package let isLeadershipTransfer: Bool

    package init(
        lastLogIndex: LogIndex, lastLogTerm: Term, isPreVote: Bool, round: UInt64,
        isLeadershipTransfer: Bool
    ) {
        self.lastLogIndex = lastLogIndex
        self.lastLogTerm = lastLogTerm
        self.isPreVote = isPreVote
        self.round = round
        self.isLeadershipTransfer = isLeadershipTransfer
    }
}

/// The answer to ``RequestVote``. `Message.term` is the voter's `currentTerm`; for a granted
/// pre-vote, the asked term.
package struct RequestVoteReply: Hashable, Sendable {
    package let voteGranted: Bool
    package let isPreVote: Bool
    package let round: UInt64

    package init(voteGranted: Bool, isPreVote: Bool, round: UInt64) {
        self.voteGranted = voteGranted
        self.isPreVote = isPreVote
        self.round = round
    }
}

/// Figure 2, AppendEntries; with no entries, a heartbeat.
package struct AppendEntries: Hashable, Sendable {
    package let prevLogIndex: LogIndex
    package let prevLogTerm: Term
    package let entries: [Entry]
    package let leaderCommit: LogIndex
    /// The newest ReadIndex round that began before this message was sent (thesis §6.4). Echoed.
    package let readRound: UInt64
    /// False for a mere notice of `leaderCommit`: a follower that accepts it need not answer.
    /// A mismatch is always answered.
    package let expectsReply: Bool

    package init(
        prevLogIndex: LogIndex, prevLogTerm: Term, entries: [Entry], leaderCommit: LogIndex,
        readRound: UInt64, expectsReply: Bool = true
    ) {
        self.prevLogIndex = prevLogIndex
        self.prevLogTerm = prevLogTerm
        self.entries = entries
        self.leaderCommit = leaderCommit
        self.readRound = readRound
        self.expectsReply = expectsReply
    }
}

/// The answer to ``AppendEntries``.
package struct AppendEntriesReply: Hashable, Sendable {
    package enum Result: Hashable, Sendable {
        /// The follower's durable log matches the leader's up to and including this index.
        case matched(LogIndex)
        /// The entry before the batch does not match. The follower has no entry past
        /// `lastLogIndex`, and any match lies at or before `hintIndex`, whose term at the follower
        /// is `hintTerm` (fast back-tracking, §5.3).
        case mismatch(rejectedPrevLogIndex: LogIndex, hintIndex: LogIndex, hintTerm: Term)
    }
    package let result: Result
    package let readRound: UInt64
    /// Somebody waits at the follower for what is being committed (``Raft/awaitsCommit``).
    package let awaitsCommit: Bool

    package init(result: Result, readRound: UInt64, awaitsCommit: Bool = true) {
        self.result = result
        self.readRound = readRound
        self.awaitsCommit = awaitsCommit
    }
}

/// Figure 13, InstallSnapshot: one chunk.
package struct InstallSnapshot: Hashable, Sendable {
    package let lastIncludedIndex: LogIndex
    package let lastIncludedTerm: Term
    /// The size of the whole snapshot, in bytes.
    package let totalBytes: UInt64
    /// CRC32C over the whole snapshot.
    package let checksum: UInt32
    /// Where `chunk` starts in the snapshot, in bytes.
    package let offset: UInt64
    package let chunk: [UInt8]

    package init(
        lastIncludedIndex: LogIndex, lastIncludedTerm: Term, totalBytes: UInt64, checksum: UInt32,
        offset: UInt64,
        chunk: [UInt8]
    ) {
        self.lastIncludedIndex = lastIncludedIndex
        self.lastIncludedTerm = lastIncludedTerm
        self.totalBytes = totalBytes
        self.checksum = checksum
        self.offset = offset
        self.chunk = chunk
    }
}

/// The answer to ``InstallSnapshot``.
package struct InstallSnapshotReply: Hashable, Sendable {
    package let lastIncludedIndex: LogIndex
    package enum Result: Hashable, Sendable {
        /// Everything before this offset has arrived: send from here.
        case expecting(offset: UInt64)
        /// The snapshot is durable, or no longer needed: the durable log matches up to this index.
        case installed(matchIndex: LogIndex)
    }
    package let result: Result

    package init(lastIncludedIndex: LogIndex, result: Result) {
        self.lastIncludedIndex = lastIncludedIndex
        self.result = result
    }
}
