extension Raft {
    /// Figure 2, the last rule for leaders: commits what a majority holds durably (§5.3, §5.4.2).
    mutating func advanceCommitIndex(into effects: inout Effects) {
        let index = LogIndex(
            majorityValue(own: persistence.durableIndex.rawValue) { $0.matchIndex.rawValue })
        // §5.4.2: only entries of the current term commit by counting; earlier ones commit below
        // them.
        guard index > commitIndex, log.term(at: index) == currentTerm else { return }
        commit(through: index, into: &effects)
        sendCommitNotices(into: &effects)
        if commitIndex >= leadership.noOpIndex { releaseHeldReads(into: &effects) }
    }

    /// Figure 2, "If commitIndex > lastApplied": hands the newly committed entries to the host, in
    /// order.
    mutating func commit(through index: LogIndex, into effects: inout Effects) {
        guard index > commitIndex else { return }
        precondition(index <= log.lastIndex, "only entries that are here can be committed here")
        let entries = log.slice(from: commitIndex.next(), through: index)
        if role == .leader {
            for entry in entries { leadership.uncommittedBytes -= entry.payload.count }
        }
        effects.apply.append(contentsOf: entries)
        commitIndex = index
        // D24: half a snapshot of what came as entries after all.
        if let incoming = incomingSnapshot, incoming.lastIncludedIndex <= index {
            incomingSnapshot = nil
        }
        effects.decisions.append(.committed(index))
    }
}
