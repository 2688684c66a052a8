/// The replicated log in memory, from a little before the newest snapshot on (§5.3, §7).
///
/// Access by index takes constant time. SQLite holds its durable mirror, which is read at start
/// only. Invariants: indexes are contiguous; terms never decrease; `baseIndex ≤ snapshotIndex ≤
/// lastIndex`.
package struct Log: Sendable {
    private var entries: [Entry] = []
    /// The index just before the first entry held.
    package private(set) var baseIndex = LogIndex.zero
    /// The term of the entry at `baseIndex`; nil when a restart has forgotten it.
    private var baseTerm: Term? = Term.zero
    /// `lastIncludedIndex` and `lastIncludedTerm` of the newest snapshot; zero without one.
    package private(set) var snapshotIndex = LogIndex.zero
    package private(set) var snapshotTerm = Term.zero
    /// The payload bytes of all entries held.
    package private(set) var payloadBytes = 0

    package init() {}

    /// A log read back from disk, or nil if it is not one: gaps, falling terms, or no overlap with
    /// the snapshot.
    init?(restoring state: PersistentState) {
        if let snapshot = state.snapshot {
            snapshotIndex = snapshot.lastIncludedIndex
            snapshotTerm = snapshot.lastIncludedTerm
            baseIndex = snapshotIndex
            baseTerm = snapshotTerm
        }
        guard let first = state.entries.first else { return }
        guard first.index > .zero, first.index <= snapshotIndex.next() else { return nil }
        if first.index <= snapshotIndex {
            baseIndex = first.index.previous()
            baseTerm = baseIndex == .zero ? Term.zero : nil
        }
        var expected = first.index
        var term = Term.zero
        for entry in state.entries {
            guard entry.index == expected, entry.term >= term, entry.term > .zero else {
                return nil
            }
            expected = expected.next()
            term = entry.term
            payloadBytes += entry.payload.count
        }
        entries = state.entries
        guard lastIndex >= snapshotIndex else { return nil }
        if let overlapping = entry(at: snapshotIndex), overlapping.term != snapshotTerm {
            return nil
        }
        if let next = entry(at: snapshotIndex.next()), next.term < snapshotTerm { return nil }
    }

    /// The index of the first entry held (or of the next one to come, if none is held).
    package var firstIndex: LogIndex { baseIndex.next() }

    /// The index of the last entry; the snapshot's when no entry follows it.
    package var lastIndex: LogIndex { baseIndex.advanced(by: entries.count) }

    /// The term of the last entry.
    package var lastTerm: Term { entries.last?.term ?? baseTerm ?? snapshotTerm }

    /// The entry at `index`, if it is held.
    package func entry(at index: LogIndex) -> Entry? {
        guard index > baseIndex, index <= lastIndex else { return nil }
        return entries[offset(of: index)]
    }

    /// The term of the entry at `index`: known for every entry held, the snapshot's last, and index
    /// 0 of a whole log.
    package func term(at index: LogIndex) -> Term? {
        if index > baseIndex { return entry(at: index)?.term }
        if index == snapshotIndex { return snapshotTerm }
        return index == baseIndex ? baseTerm : nil
    }

    /// The entries from `first` up to and including `last`, which must be held.
    package func slice(from first: LogIndex, through last: LogIndex) -> ArraySlice<Entry> {
        guard first <= last else { return [] }
        return entries[offset(of: first)...offset(of: last)]
    }

    /// The entries from `first` on that fit both limits; the first one always fits. Also their
    /// payload bytes.
    func batch(
        from first: LogIndex, maximumEntries: Int, maximumBytes: Int
    ) -> (entries: [Entry], bytes: Int) {
        guard first > baseIndex, first <= lastIndex else { return ([], 0) }
        let start = offset(of: first)
        var end = start + 1
        var bytes = entries[start].payload.count
        while end < entries.count, end - start < maximumEntries {
            let next = entries[end].payload.count
            guard bytes + next <= maximumBytes else { break }
            bytes += next
            end += 1
        }
        return (Array(entries[start..<end]), bytes)
    }

    /// The payload bytes of the entries after `index`.
    func payloadBytes(after index: LogIndex) -> Int {
        guard index < lastIndex else { return 0 }
        return slice(from: max(index, baseIndex).next(), through: lastIndex)
            .reduce(0) { $0 + $1.payload.count }
    }

    /// The largest index at or before `index` whose term is known to be at most `term`
    /// (the base if there is none): where a search for the last match resumes (§5.3).
    ///
    /// Terms never decrease along the log, so this is a binary search.
    func lastIndex(atOrBefore index: LogIndex, withTermAtMost term: Term) -> LogIndex {
        let last = min(index, lastIndex)
        guard last > baseIndex else { return last }
        var low = 0
        var high = offset(of: last) + 1
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].term <= term { low = middle + 1 } else { high = middle }
        }
        return baseIndex.advanced(by: low)
    }

    /// Appends one entry, which must follow the last.
    mutating func append(_ entry: Entry) {
        precondition(entry.index == lastIndex.next(), "an appended entry follows the last one")
        payloadBytes += entry.payload.count
        entries.append(entry)
    }

    /// Deletes the entry at `index` and all that follow it (§5.3).
    mutating func truncate(from index: LogIndex) {
        precondition(
            index > snapshotIndex, "a snapshot's entries are committed and never truncated")
        guard index <= lastIndex else { return }
        let start = offset(of: index)
        for entry in entries[start...] { payloadBytes -= entry.payload.count }
        entries.removeSubrange(start...)
    }

    /// Notes a newer snapshot of entries that are held; they stay until ``compact(through:)``.
    mutating func noteSnapshot(index: LogIndex, term: Term) {
        precondition(self.term(at: index) == term, "the snapshot ends with an entry of this log")
        snapshotIndex = index
        snapshotTerm = term
    }

    /// Deletes the entries up to and including `index`, which the snapshot covers (§7). Linear in
    /// what remains.
    mutating func compact(through index: LogIndex) {
        precondition(index <= snapshotIndex, "only entries that a snapshot covers are deleted")
        guard index > baseIndex, let term = term(at: index) else { return }
        let count = offset(of: index) + 1
        for entry in entries[..<count] { payloadBytes -= entry.payload.count }
        entries.removeSubrange(..<count)
        baseIndex = index
        baseTerm = term
    }

    /// Replaces the whole log by a snapshot (Figure 13, step 7).
    mutating func reset(toSnapshotAt index: LogIndex, term: Term) {
        entries.removeAll()
        payloadBytes = 0
        baseIndex = index
        baseTerm = term
        snapshotIndex = index
        snapshotTerm = term
    }

    private func offset(of index: LogIndex) -> Int {
        Int(index.rawValue - baseIndex.rawValue) - 1
    }
}
