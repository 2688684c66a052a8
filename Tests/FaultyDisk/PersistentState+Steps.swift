package import RaftCore

// What a disk should hold after some steps: the plainest reading of `Persist`, one after another.
extension PersistentState {
    package mutating func apply(_ persist: Persist) {
        if let vote = persist.vote {
            currentTerm = vote.currentTerm
            votedFor = vote.votedFor
        }
        if let snapshot = persist.snapshot { self.snapshot = snapshot }
        if persist.resetsLog { entries = [] }
        if let index = persist.truncateFrom { entries.removeAll { $0.index >= index } }
        entries += persist.append
        if let index = persist.purgeThrough { entries.removeAll { $0.index <= index } }
    }

    package var snapshotIndex: UInt64 { snapshot?.lastIncludedIndex.rawValue ?? 0 }
    package var lastIndex: UInt64 { max(entries.last?.index.rawValue ?? 0, snapshotIndex) }
}
