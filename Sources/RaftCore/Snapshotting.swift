import BinaryCoding

/// A snapshot that arrives in chunks (Figure 13, steps 2 to 4). Nothing of it is used before all is
/// here.
struct IncomingSnapshot: Sendable {
    let lastIncludedIndex: LogIndex
    let lastIncludedTerm: Term
    let totalBytes: UInt64
    let checksum: UInt32
    var data: [UInt8] = []

    init(firstChunkOf chunk: InstallSnapshot) {
        lastIncludedIndex = chunk.lastIncludedIndex
        lastIncludedTerm = chunk.lastIncludedTerm
        totalBytes = chunk.totalBytes
        checksum = chunk.checksum
    }

    /// Whether `chunk` is a piece of this very snapshot, be it from another leader.
    func holds(_ chunk: InstallSnapshot) -> Bool {
        lastIncludedIndex == chunk.lastIncludedIndex && lastIncludedTerm == chunk.lastIncludedTerm
            && totalBytes == chunk.totalBytes && checksum == chunk.checksum
    }

    var isComplete: Bool { UInt64(data.count) == totalBytes }
}

extension Raft {
    /// Figure 13, InstallSnapshot, receiver. Step 1 (the term) was taken by `acceptLeader`.
    mutating func handleInstallSnapshot(
        _ chunk: InstallSnapshot, from leader: ServerID, into effects: inout Effects
    ) {
        if chunk.lastIncludedIndex <= commitIndex {
            // C13: what is committed here is in the snapshot; nothing is taken back.
            checkAgainstCommitted(chunk)
            incomingSnapshot = nil
            let matchIndex = min(commitIndex, persistence.durableIndex)
            effects.decisions.append(
                .discardedSnapshot(lastIncludedIndex: chunk.lastIncludedIndex, reason: .notNewer))
            return replyToChunk(chunk, .installed(matchIndex: matchIndex), to: leader, &effects)
        }
        if incomingSnapshot?.holds(chunk) != true {
            incomingSnapshot = IncomingSnapshot(firstChunkOf: chunk)
        }
        if UInt64(incomingSnapshot?.data.count ?? 0) == chunk.offset {
            incomingSnapshot?.data.append(contentsOf: chunk.chunk)
        }
        guard let incoming = incomingSnapshot, incoming.isComplete else {
            let offset = UInt64(incomingSnapshot?.data.count ?? 0)
            return replyToChunk(chunk, .expecting(offset: offset), to: leader, &effects)
        }
        incomingSnapshot = nil
        guard CRC32C.checksum(incoming.data) == incoming.checksum else {
            effects.decisions.append(
                .discardedSnapshot(
                    lastIncludedIndex: incoming.lastIncludedIndex, reason: .checksumMismatch))
            return replyToChunk(chunk, .expecting(offset: 0), to: leader, &effects)
        }
        install(
            Snapshot(
                lastIncludedIndex: incoming.lastIncludedIndex,
                lastIncludedTerm: incoming.lastIncludedTerm, data: incoming.data),
            into: &effects)
        let reply = InstallSnapshotReply(
            lastIncludedIndex: chunk.lastIncludedIndex,
            result: .installed(matchIndex: chunk.lastIncludedIndex))
        sendAfterPersist(.installSnapshotReply(reply), to: leader, into: &effects)
    }

    /// Our term in the reply makes the old leader step down (§5.1).
    mutating func refuseStaleSnapshot(
        _ chunk: InstallSnapshot, of message: Message, into effects: inout Effects
    ) {
        effects.decisions.append(
            .refusedAppend(from: message.from, reason: .staleTerm(theirs: message.term)))
        replyToChunk(chunk, .expecting(offset: 0), to: message.from, &effects)
    }

    private mutating func replyToChunk(
        _ chunk: InstallSnapshot, _ result: InstallSnapshotReply.Result, to server: ServerID,
        _ effects: inout Effects
    ) {
        let reply = InstallSnapshotReply(lastIncludedIndex: chunk.lastIncludedIndex, result: result)
        send(.installSnapshotReply(reply), to: server, into: &effects)
    }

    private func checkAgainstCommitted(_ chunk: InstallSnapshot) {
        guard let mine = log.term(at: chunk.lastIncludedIndex) else { return }
        precondition(
            mine == chunk.lastIncludedTerm,
            "State Machine Safety (Figure 3): a snapshot contradicts committed entries (B14)")
    }

    /// Figure 13, steps 5 to 8: one transaction replaces snapshot and log together (C14).
    private mutating func install(_ snapshot: Snapshot, into effects: inout Effects) {
        let index = snapshot.lastIncludedIndex
        let term = snapshot.lastIncludedTerm
        let keepsSuffix = log.term(at: index) == term
        openPersist(into: &effects)
        effects.persist?.snapshot = snapshot
        if keepsSuffix {
            // Step 6: the log has the snapshot's last entry, so what follows it is sound.
            log.noteSnapshot(index: index, term: term)
            schedulePurge(behind: index, into: &effects)
        } else {
            // Step 7. Only what was committed is known to equal the log of before.
            persistence.lower(to: commitIndex)
            log.reset(toSnapshotAt: index, term: term)
            effects.persist?.resetsLog = true
            effects.persist?.truncateFrom = nil
            effects.persist?.append = []
            effects.persist?.purgeThrough = nil
            persistence.updateNewest { $0.lastIndex = index }
        }
        self.snapshot = snapshot
        commitIndex = index
        // The restored state holds what this batch was going to apply.
        effects.apply.removeAll()
        effects.restore = snapshot
        effects.decisions.append(
            .installedSnapshot(lastIncludedIndex: index, keptSuffix: keepsSuffix))
    }

    /// §7: the host has encoded its machine. Once that is durable, the log before it can go.
    mutating func handleSnapshotTaken(_ taken: Snapshot, into effects: inout Effects) {
        let index = taken.lastIncludedIndex
        if let reason = reasonNotToUse(taken) {
            effects.decisions.append(.discardedSnapshot(lastIncludedIndex: index, reason: reason))
            return
        }
        openPersist(into: &effects)
        effects.persist?.snapshot = taken
        log.noteSnapshot(index: index, term: taken.lastIncludedTerm)
        snapshot = taken
        schedulePurge(behind: index, into: &effects)
        effects.decisions.append(.tookSnapshot(lastIncludedIndex: index))
    }

    private func reasonNotToUse(_ taken: Snapshot) -> SnapshotRefusal? {
        if taken.lastIncludedIndex > lastApplied { return .notApplied }
        if taken.lastIncludedIndex <= log.snapshotIndex { return .notNewer }
        if log.term(at: taken.lastIncludedIndex) != taken.lastIncludedTerm { return .otherTerm }
        return taken.data.count > Snapshot.maximumBytes ? .tooLarge : nil
    }

    /// A tail stays for followers that are only a little behind. The purge shares the snapshot's
    /// transaction (B33).
    private mutating func schedulePurge(behind index: LogIndex, into effects: inout Effects) {
        let kept = UInt64(max(0, settings.entriesKeptBehindSnapshot))
        guard index.rawValue > kept else { return }
        let purge = LogIndex(index.rawValue - kept)
        guard purge > log.baseIndex else { return }
        effects.persist?.purgeThrough = purge
        persistence.updateNewest { $0.compactThrough = purge }
    }

    mutating func compactLog(through index: LogIndex, into effects: inout Effects) {
        guard index > log.baseIndex else { return }
        log.compact(through: index)
        effects.decisions.append(.compactedLog(through: index))
    }
}
