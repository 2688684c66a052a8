/// What a server wants done, as data. The host executes the fields strictly top to bottom.
///
/// Several inputs may be stepped into one `Effects` before it is executed: the core merges them.
package struct Effects: Sendable, Equatable {
    /// Messages that need no promise from our disk; the term they state is already durable.
    /// A leader's AppendEntries goes here: its own write runs in parallel (thesis §10.2.1).
    package var sendNow: [Envelope] = []
    /// One transaction and one fsync. The host answers with `.persisted(id)` when it is durable.
    package var persist: Persist?
    /// Messages that promise what `persist` holds; held by the host until `.persisted(persist.id)`.
    /// Non-empty only if `persist` is not nil.
    package var sendAfterPersist: [Envelope] = []
    /// Replace the state machine's state with this snapshot, before `apply`.
    package var restore: Snapshot?
    /// Committed entries, in order, each exactly once.
    package var apply: [Entry] = []
    /// Reads that may be answered, or not, once `lastApplied` has reached the index.
    package var reads: [ReadGrant] = []
    package var proposals: [ProposalFate] = []
    /// Why the core did what it did, for traces and logs.
    package var decisions: [Decision] = []

    package init() {}

    package var isEmpty: Bool { self == Effects() }
}

/// One durable step. Fields are executed top to bottom inside one transaction.
package struct Persist: Sendable, Equatable {
    package let id: PersistID
    /// Term and vote: one row, always together (B02).
    package var vote: Vote?
    /// An installed snapshot from the leader, or one of our own machine.
    package var snapshot: Snapshot?
    /// Delete the whole log first: an installed snapshot replaces it (§7).
    package var resetsLog: Bool = false
    /// Delete every entry from this index on (§5.3), then append.
    package var truncateFrom: LogIndex?
    /// Contiguous entries, first one at `truncateFrom` where that is set.
    package var append: [Entry] = []
    /// Delete every entry up to and including this index: the snapshot in this or an earlier
    /// persist covers it.
    package var purgeThrough: LogIndex?

    package init(id: PersistID) { self.id = id }

    package struct Vote: Sendable, Equatable {
        package let currentTerm: Term
        package let votedFor: ServerID?
        package init(currentTerm: Term, votedFor: ServerID?) {
            self.currentTerm = currentTerm
            self.votedFor = votedFor
        }
    }
}

/// The answer to one `.read`.
package struct ReadGrant: Sendable, Equatable {
    package enum Result: Sendable, Equatable {
        /// Linearizable once everything up to this index is applied.
        case granted(LogIndex)
        case refused(Refusal)
    }
    package let id: ReadID
    package let result: Result
    package init(id: ReadID, result: Result) {
        self.id = id
        self.result = result
    }
}

/// What became of one proposal at the moment it was made.
package struct ProposalFate: Sendable, Equatable {
    package enum Result: Sendable, Equatable {
        /// In the leader's log; it is decided when an entry at this index is applied.
        case appended(LogIndex, Term)
        /// Not in any log, and never will be.
        case refused(Refusal)
    }
    package let id: ProposalID
    package let result: Result
    package init(id: ProposalID, result: Result) {
        self.id = id
        self.result = result
    }
}

/// Why a server does not take a proposal or a read.
package enum Refusal: Sendable, Equatable {
    case notLeader(leader: ServerID?)
    /// The leader is handing over; ask again shortly.
    case transferringLeadership(to: ServerID)
    /// Uncommitted entries fill the bound: the cluster is slower than its clients.
    case overloaded
    case payloadTooLong(bytes: Int, limit: Int)
}
