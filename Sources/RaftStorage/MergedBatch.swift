import RaftCore

/// Several ``Persist``s as one transaction: the state they leave, and the least that must be
/// written.
///
/// A value without I/O. Each step is checked against Raft's rules first; one that breaks them is a
/// defect of the host, and nothing of the batch is written.
struct MergedBatch: Equatable, Sendable {
    /// The state row after the transaction.
    private(set) var state: StateRow
    private(set) var newestID = PersistID(0)
    /// The newest snapshot; older ones in the same batch never reach the disk.
    private(set) var snapshot: Snapshot?
    /// Every row of the log goes.
    private(set) var dropsLog = false
    /// Every stored entry from this index on goes.
    private(set) var truncateFrom: LogIndex?
    /// Entries to write, contiguous, ending at `state.lastIndex`.
    private(set) var entries: [Entry] = []
    /// `state.firstIndex` moved: runs that end before it go.
    private(set) var purges = false
    /// The last stored entry that stays. Invariant: `entries`, if any, begin right after it.
    private var storedThrough: LogIndex

    /// SQLite compares indexes as signed 64-bit numbers.
    private static let largestIndex = UInt64(Int64.max) - 1

    init(after state: StateRow) {
        self.state = state
        storedThrough = state.lastIndex
        self.state.sequence += 1
    }

    /// Adds one step; its fields take effect from top to bottom.
    mutating func add(_ persist: Persist) throws(StorageFailure) {
        do throws(Violation) {
            let snapshotBefore = state.snapshotIndex
            if let vote = persist.vote { try add(vote) }
            if let snapshot = persist.snapshot { try add(snapshot) }
            if persist.resetsLog { reset() }
            if let index = persist.truncateFrom { try truncate(from: index, above: snapshotBefore) }
            try append(persist.append)
            if let index = persist.purgeThrough { try purge(through: index) }
            guard state.snapshotIndex <= state.lastIndex else {
                throw Violation("the log ends at \(state.lastIndex), before the snapshot")
            }
        } catch {
            throw .invalidPersist(id: persist.id, reason: error.reason)
        }
        newestID = persist.id
    }

    private struct Violation: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// The term never falls, and a vote never changes within its term (§5.2).
    private mutating func add(_ vote: Persist.Vote) throws(Violation) {
        guard vote.currentTerm >= state.currentTerm else {
            throw Violation("term \(vote.currentTerm) is below the stored \(state.currentTerm)")
        }
        if vote.currentTerm == state.currentTerm, let stored = state.votedFor,
            vote.votedFor != stored
        {
            throw Violation("the vote for \(stored) in term \(state.currentTerm) would change")
        }
        state.currentTerm = vote.currentTerm
        state.votedFor = vote.votedFor
    }

    private mutating func add(_ snapshot: Snapshot) throws(Violation) {
        let index = snapshot.lastIncludedIndex
        guard index > .zero, index.rawValue <= Self.largestIndex, index >= state.snapshotIndex
        else {
            throw Violation(
                "a snapshot at \(index) cannot follow the one at \(state.snapshotIndex)")
        }
        guard snapshot.lastIncludedTerm <= state.currentTerm else {
            throw Violation("the snapshot's term \(snapshot.lastIncludedTerm) is above the current")
        }
        self.snapshot = snapshot
        state.snapshotIndex = index
        state.snapshotTerm = snapshot.lastIncludedTerm
    }

    /// §7: an installed snapshot replaces the whole log; the log goes on right after it.
    private mutating func reset() {
        dropsLog = true
        truncateFrom = nil
        entries = []
        state.firstIndex = state.snapshotIndex.next()
        state.lastIndex = state.snapshotIndex
        storedThrough = state.snapshotIndex
    }

    /// §5.3. What an earlier snapshot covers is committed and never goes.
    private mutating func truncate(
        from index: LogIndex, above committed: LogIndex
    ) throws(Violation) {
        guard index > committed else {
            throw Violation("truncating from \(index) would cut into the snapshot at \(committed)")
        }
        guard index <= state.lastIndex else { return }
        if index <= storedThrough {
            entries = []
            storedThrough = index.previous()
            if !dropsLog { truncateFrom = min(truncateFrom ?? index, index) }
        } else {
            entries.removeLast(Int(state.lastIndex.rawValue - index.rawValue) + 1)
        }
        state.lastIndex = index.previous()
    }

    private mutating func append(_ appended: [Entry]) throws(Violation) {
        guard let last = appended.last else { return }
        guard last.index.rawValue <= Self.largestIndex else {
            throw Violation("index \(last.index) is beyond what can be stored")
        }
        var expected = state.lastIndex.next()
        for entry in appended {
            guard entry.index == expected else {
                throw Violation("entry \(expected) was expected, \(entry.index) was given")
            }
            guard entry.term <= state.currentTerm else {
                throw Violation("entry \(entry.index) has a term above \(state.currentTerm)")
            }
            expected = expected.next()
        }
        entries.append(contentsOf: appended)
        state.lastIndex = last.index
    }

    /// B33: only what a stored snapshot covers may go.
    private mutating func purge(through index: LogIndex) throws(Violation) {
        guard index <= state.snapshotIndex else {
            throw Violation("purging through \(index) is not covered by a snapshot")
        }
        guard index >= state.firstIndex else { return }
        state.firstIndex = index.next()
        purges = true
    }

    /// The state with which a database that is opened, or closed cleanly, is marked.
    mutating func mark(isOpen: Bool) {
        state.isOpen = isOpen
    }
}
