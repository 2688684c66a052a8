/// One entry of the replicated log (Figure 2): a command for the state machine, opaque here.
package struct Entry: Hashable, Sendable {
    package let index: LogIndex
    /// The term in which a leader received the entry.
    package let term: Term
    /// The command's bytes; empty for the no-op that opens a term (§8, thesis §6.4).
    package let payload: [UInt8]

    package init(index: LogIndex, term: Term, payload: [UInt8]) {
        self.index = index
        self.term = term
        self.payload = payload
    }

    /// The longest payload that a leader accepts and a decoder reads, in bytes.
    package static let maximumPayloadBytes = 1 << 20
}

/// The state machine's state after `lastIncludedIndex` (Figure 13), opaque here.
package struct Snapshot: Hashable, Sendable {
    package let lastIncludedIndex: LogIndex
    package let lastIncludedTerm: Term
    package let data: [UInt8]

    package init(lastIncludedIndex: LogIndex, lastIncludedTerm: Term, data: [UInt8]) {
        self.lastIncludedIndex = lastIncludedIndex
        self.lastIncludedTerm = lastIncludedTerm
        self.data = data
    }

    /// The largest snapshot that a server accepts from a peer, in bytes.
    package static let maximumBytes = 1 << 30
}

/// What Figure 2 calls persistent state on all servers, plus the snapshot the log starts after.
package struct PersistentState: Equatable, Sendable {
    package var currentTerm: Term
    package var votedFor: ServerID?
    package var snapshot: Snapshot?
    /// Contiguous entries. The first index is at most one past the snapshot's: a tail is kept for
    /// slow followers.
    package var entries: [Entry]

    package init(
        currentTerm: Term = .zero, votedFor: ServerID? = nil, snapshot: Snapshot? = nil,
        entries: [Entry] = []
    ) {
        self.currentTerm = currentTerm
        self.votedFor = votedFor
        self.snapshot = snapshot
        self.entries = entries
    }
}
