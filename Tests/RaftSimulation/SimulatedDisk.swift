package import RaftCore

/// One server's disk: what is durable, and what was written but not yet made durable.
///
/// Each ``Persist`` is atomic: after a crash it is there whole or not at all, and with it all
/// before it.
package struct SimulatedDisk: Sendable {
    /// What a restart finds.
    package private(set) var image = PersistentState()
    package private(set) var queue: [Persist] = []
    /// Every vote that ever was durable: the candidate by term.
    private(set) var votes: [Term: ServerID] = [:]
    /// The highest index that ever was durable.
    private(set) var highestIndex = LogIndex.zero

    package init() {}

    package mutating func write(_ persist: Persist) {
        queue.append(persist)
    }

    /// The queue is gone; the caller has executed what survived.
    package mutating func dropQueue() {
        queue.removeAll()
    }

    package var lastIndex: LogIndex {
        image.entries.last?.index ?? image.snapshot?.lastIncludedIndex ?? .zero
    }

    /// The entry at `index`, if it is durable and not compacted.
    package func entry(at index: LogIndex) -> Entry? {
        guard let first = image.entries.first?.index, index >= first else { return nil }
        let offset = index.rawValue - first.rawValue
        return offset < UInt64(image.entries.count) ? image.entries[Int(offset)] : nil
    }

    /// Whether the disk holds the entry at `index` with `term`, or a snapshot that contains that
    /// index.
    package func holds(_ index: LogIndex, term: Term?) -> Bool {
        if let entry = entry(at: index) { return term == nil || entry.term == term }
        return index <= (image.snapshot?.lastIncludedIndex ?? .zero)
    }

    /// Makes the oldest write durable, as one transaction.
    package mutating func executeNext() throws(Violation) -> Persist? {
        guard !queue.isEmpty else { return nil }
        let persist = queue.removeFirst()
        try execute(persist)
        return persist
    }

    private mutating func execute(_ persist: Persist) throws(Violation) {
        if let vote = persist.vote { try execute(vote) }
        if let snapshot = persist.snapshot {
            let old = image.snapshot?.lastIncludedIndex ?? .zero
            try require(
                snapshot.lastIncludedIndex > old, "I9 index chain",
                "a snapshot at \(snapshot.lastIncludedIndex) replaces that at \(old)")
            image.snapshot = snapshot
        }
        if persist.resetsLog { image.entries.removeAll() }
        if let index = persist.truncateFrom {
            image.entries.removeAll { $0.index >= index }
        }
        if let first = persist.append.first?.index {
            // A snapshot in the same transaction may cover entries that come with it.
            let expected = image.entries.last?.index.next()
            let isJoined = expected.map { $0 == first } ?? (first <= lastIndex.next())
            try require(isJoined, "I9 index chain", "\(first) is written after \(lastIndex)")
            image.entries.append(contentsOf: persist.append)
            highestIndex = max(highestIndex, lastIndex)
        }
        if let index = persist.purgeThrough {
            try require(
                index <= (image.snapshot?.lastIncludedIndex ?? .zero), "I9 index chain",
                "entries through \(index) are purged without a snapshot of them")
            image.entries.removeAll { $0.index <= index }
        }
    }

    private mutating func execute(_ vote: Persist.Vote) throws(Violation) {
        try require(
            vote.currentTerm >= image.currentTerm, "I2 term and vote",
            "term \(vote.currentTerm) is written over \(image.currentTerm)")
        if vote.currentTerm == image.currentTerm, let old = image.votedFor {
            try require(
                vote.votedFor == old, "I2 term and vote",
                "in term \(vote.currentTerm) the vote for \(old) is overwritten")
        }
        image.currentTerm = vote.currentTerm
        image.votedFor = vote.votedFor
        if let candidate = vote.votedFor { votes[vote.currentTerm] = candidate }
    }
}
