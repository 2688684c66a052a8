/// One stay of one participant at the head of a latch: a line of the latch's ledger.
package struct TermRecord: Hashable, Sendable {
    /// Counts grants, as ``LatchState/term``.
    package let term: UInt64
    /// The token of the grant.
    package let fencingToken: UInt64
    /// The participant that held the latch.
    package let holder: String
    package let session: SessionID
    package let began: TermEdge
    /// Nil while the term lasts.
    package internal(set) var ended: TermEdge?
    /// Log time between the last sign of life of the holder before and this grant, or since the
    /// latch was left empty; 0 for the first term.
    package let gapMilliseconds: UInt64
    /// How long the holder before may have gone on believing that it holds, at most, in log time: 0
    /// unless it was thrown out.
    package let overlapBoundMilliseconds: UInt64
    /// A digest of this record and of all before it. It tells damage, it is no seal.
    package internal(set) var chain: UInt64 = 0

    /// A record as the ledger or a snapshot has it.
    package init(
        term: UInt64, fencingToken: UInt64, holder: String, session: SessionID, began: TermEdge,
        ended: TermEdge? = nil, gapMilliseconds: UInt64 = 0, overlapBoundMilliseconds: UInt64 = 0,
        chain: UInt64 = 0
    ) {
        self.term = term
        self.fencingToken = fencingToken
        self.holder = holder
        self.session = session
        self.began = began
        self.ended = ended
        self.gapMilliseconds = gapMilliseconds
        self.overlapBoundMilliseconds = overlapBoundMilliseconds
        self.chain = chain
    }
}

/// The beginning or the end of a term.
package struct TermEdge: Hashable, Sendable {
    package let cause: Cause
    /// The entry that did it, and the Raft term of its leader.
    package let index: UInt64
    package let raftTerm: UInt64
    /// The leader's log time at the entry.
    package let logTimeMilliseconds: UInt64
    /// The leader's wall clock, in milliseconds since 1970, for people; 0 where it is not known.
    package let wallTimeMilliseconds: UInt64

    package init(
        cause: Cause, index: UInt64, raftTerm: UInt64, logTimeMilliseconds: UInt64,
        wallTimeMilliseconds: UInt64
    ) {
        self.cause = cause
        self.index = index
        self.raftTerm = raftTerm
        self.logTimeMilliseconds = logTimeMilliseconds
        self.wallTimeMilliseconds = wallTimeMilliseconds
    }
}

/// Why a term began or ended. Numbers are for ever: they stand in snapshots and on the wire.
package enum Cause: UInt8, Hashable, Sendable, CaseIterable {
    /// The latch was empty and somebody joined.
    case joined = 1
    /// The holder left.
    case resigned = 2
    /// The holder's session was closed.
    case closed = 3
    /// The holder's session was not renewed in time.
    case expired = 4
    /// An operator took the participant out.
    case evicted = 5
    /// The latch was handed over to this participant.
    case handedOver = 6
    /// The latch was deleted. Never in a ledger, which goes with its latch.
    case deleted = 7
    /// A backup was restored under a higher incarnation: every session of before is over.
    case restored = 8
}

/// A latch with its ledger as one machine has applied it. Taking one is O(1).
package struct LatchView: Sendable {
    package let name: PrimitiveName
    package let state: LatchState
    /// The session of each participant, in the order of `state.participants`.
    package let owners: [SessionID]
    /// Oldest first, without a gap; the last one is open if the latch is held.
    package let ledger: [TermRecord]
    /// The index of the last entry applied when the view was taken.
    package let index: UInt64
    /// The sessions that were open on the latch then.
    var sessions = SortedChunks<SessionID>()

    /// Whether the session was open when the view was taken. O(log n).
    package func isOpen(session: SessionID) -> Bool { sessions.contains(session) }

    package init(
        name: PrimitiveName, state: LatchState, owners: [SessionID], ledger: [TermRecord],
        index: UInt64
    ) {
        self.name = name
        self.state = state
        self.owners = owners
        self.ledger = ledger
        self.index = index
    }
}
