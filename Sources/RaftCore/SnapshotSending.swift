import BinaryCoding

extension Raft {
    /// §7: "the leader must occasionally send snapshots to followers that lag behind".
    @discardableResult
    mutating func startSnapshot(to position: Int, into effects: inout Effects) -> Bool {
        guard let snapshot else {
            preconditionFailure("a log that was compacted has a snapshot of what is gone (§7)")
        }
        followers[position].enter(.snapshot, nextIndex: snapshot.lastIncludedIndex.next())
        followers[position].transfer = SnapshotTransfer(
            snapshot: snapshot, checksum: checksum(of: snapshot), offset: 0, sentAt: now)
        sendSnapshotChunk(to: position, into: &effects)
        return true
    }

    /// Computed once for each snapshot that is sent: it takes time in proportion to the bytes.
    private mutating func checksum(of snapshot: Snapshot) -> UInt32 {
        if let known = leadership.checksum,
            known.lastIncludedIndex == snapshot.lastIncludedIndex
        {
            return known.value
        }
        let value = CRC32C.checksum(snapshot.data)
        leadership.checksum = (snapshot.lastIncludedIndex, value)
        return value
    }

    /// Figure 13: sends the chunk that the follower expects.
    mutating func sendSnapshotChunk(to position: Int, into effects: inout Effects) {
        guard let transfer = followers[position].transfer else { return }
        let data = transfer.snapshot.data
        let end = min(data.count, transfer.offset + max(1, settings.snapshotChunkBytes))
        let chunk = InstallSnapshot(
            lastIncludedIndex: transfer.snapshot.lastIncludedIndex,
            lastIncludedTerm: transfer.snapshot.lastIncludedTerm,
            totalBytes: UInt64(data.count), checksum: transfer.checksum,
            offset: UInt64(transfer.offset), chunk: Array(data[transfer.offset..<end]))
        followers[position].transfer?.sentAt = now
        let server = followers.id(at: position)
        effects.decisions.append(
            .sendingSnapshot(
                to: server, lastIncludedIndex: transfer.snapshot.lastIncludedIndex,
                offset: UInt64(transfer.offset)))
        send(.installSnapshot(chunk), to: server, into: &effects)
    }

    /// A chunk that got no answer for two heartbeats is taken for lost, and then after twice as
    /// long each time: copies that queue on a slow link would only delay the answer (N20). A server
    /// known to be gone gets none.
    mutating func resendSnapshotChunk(to position: Int, into effects: inout Effects) {
        guard let transfer = followers[position].transfer,
            !election.unreachable.contains(followers.id(at: position)),
            now.milliseconds(since: transfer.sentAt)
                >= settings.heartbeatIntervalMilliseconds &* (2 << transfer.resends)
        else { return }
        followers[position].transfer?.resends = min(transfer.resends + 1, 6)
        sendSnapshotChunk(to: position, into: &effects)
    }

    mutating func handleInstallSnapshotReply(
        _ reply: InstallSnapshotReply, from server: ServerID, into effects: inout Effects
    ) {
        guard let position = followers.position(of: server) else { return }
        switch reply.result {
        case .installed(let matchIndex):
            noteInstalled(matchIndex, at: position, into: &effects)
        case .expecting(let offset):
            guard let transfer = followers[position].transfer,
                transfer.snapshot.lastIncludedIndex == reply.lastIncludedIndex,
                offset <= UInt64(transfer.snapshot.data.count)
            else {
                effects.decisions.append(.ignoredMessage(from: server, reason: .staleReply))
                return
            }
            // A late answer must not start a second stream of chunks beside the first.
            guard Int(offset) != transfer.offset || offset == 0 else { return }
            followers[position].transfer?.offset = Int(offset)
            followers[position].transfer?.resends = 0
            sendSnapshotChunk(to: position, into: &effects)
        }
    }

    /// The follower's durable log matches up to `matchIndex`: what follows can be sent as entries.
    ///
    /// If it had more than the snapshot but not yet on its disk, the next chunk that is sent again
    /// asks anew.
    private mutating func noteInstalled(
        _ matchIndex: LogIndex, at position: Int, into effects: inout Effects
    ) {
        noteMatch(matchIndex, at: position, into: &effects)
        guard role == .leader, matchIndex <= log.lastIndex,
            let transfer = followers[position].transfer,
            matchIndex >= transfer.snapshot.lastIncludedIndex
        else { return }
        if log.term(at: followers[position].matchIndex) != nil {
            startReplicating(to: position, into: &effects)
        } else {
            // Meanwhile the log was compacted further: the newer snapshot is needed as well.
            startSnapshot(to: position, into: &effects)
        }
    }
}
