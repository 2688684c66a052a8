extension Raft {
    /// §5.3: sends `position` what it lacks, as far as the window allows. True if anything was
    /// sent.
    @discardableResult
    mutating func sendEntries(to position: Int, into effects: inout Effects) -> Bool {
        var isAnythingSent = false
        while canSend(to: position) {
            let nextIndex = followers[position].nextIndex
            guard let prevLogTerm = log.term(at: nextIndex.previous()),
                nextIndex >= log.firstIndex
            else {
                // C10: what precedes the next entry is compacted away, so the snapshot replaces it.
                return startSnapshot(to: position, into: &effects) || isAnythingSent
            }
            let isProbe = followers[position].mode == .probe
            let (entries, bytes) = log.batch(
                from: nextIndex, maximumEntries: settings.maximumEntriesPerAppend,
                maximumBytes: settings.maximumBytesPerAppend)
            if entries.isEmpty, !isProbe { return isAnythingSent }
            let previous = LogPosition(index: nextIndex.previous(), term: prevLogTerm)
            emitAppend(
                to: position, after: previous, entries: entries, expectsReply: true,
                into: &effects)
            isAnythingSent = true
            if isProbe {
                followers[position].isPaused = true
            } else {
                let lastIndex = previous.index.advanced(by: entries.count)
                followers[position].nextIndex = lastIndex.next()
                followers[position].noteSent(through: lastIndex, bytes: bytes)
            }
        }
        return isAnythingSent
    }

    /// C10: the log was compacted past the next entry of a follower with entries in flight.
    ///
    /// If those are lost, nothing would tell: a full window lets no entry follow, and no heartbeat
    /// can name the entry before the next one. That next entry is gone, so only the snapshot helps.
    private func needsSnapshot(_ position: Int) -> Bool {
        followers[position].mode == .replicate
            && log.term(at: followers[position].nextIndex.previous()) == nil
    }

    private func canSend(to position: Int) -> Bool {
        let follower = followers[position]
        switch follower.mode {
        case .probe:
            return !follower.isPaused
        case .replicate:
            return follower.nextIndex <= log.lastIndex
                && follower.inFlight.count < settings.maximumInFlightAppends
                && (follower.inFlight.isEmpty
                    || follower.inFlightBytes < settings.maximumInFlightBytes)
        case .snapshot:
            return false
        }
    }

    /// A message without entries: a heartbeat, a round of ReadIndex, or a notice of `commitIndex`.
    ///
    /// It follows everything sent so far, so a follower that missed something says so at once.
    /// While a snapshot is under way, it follows index 0, which says nothing about the log.
    mutating func sendEmpty(to position: Int, expectsReply: Bool, into effects: inout Effects) {
        var previous = LogPosition(index: .zero, term: .zero)
        let index = followers[position].nextIndex.previous()
        if followers[position].mode != .snapshot, let term = log.term(at: index) {
            previous = LogPosition(index: index, term: term)
        }
        emitAppend(
            to: position, after: previous, entries: [], expectsReply: expectsReply, into: &effects)
    }

    /// Adds one AppendEntries, or makes one that the host has not sent yet say more.
    private mutating func emitAppend(
        to position: Int, after previous: LogPosition, entries: [Entry], expectsReply: Bool,
        into effects: inout Effects
    ) {
        let append = AppendEntries(
            prevLogIndex: previous.index, prevLogTerm: previous.term, entries: entries,
            leaderCommit: commitIndex, readRound: reads.round, expectsReply: expectsReply)
        followers[position].sentCommitIndex = commitIndex
        let server = followers.id(at: position)
        if merge(append, to: server, into: &effects) { return }
        effects.sendNow.append(
            Envelope(
                to: server,
                message: Message(from: id, term: currentTerm, body: .appendEntries(append))))
    }

    /// Several steps may share one `Effects`: one message per follower is enough for all of them.
    private func merge(
        _ append: AppendEntries, to server: ServerID, into effects: inout Effects
    ) -> Bool {
        let recent = effects.sendNow.indices.suffix(2 * configuration.voters.count)
        for position in recent.reversed() where effects.sendNow[position].to == server {
            let message = effects.sendNow[position].message
            guard case .appendEntries(let earlier) = message.body, message.term == currentTerm
            else { continue }
            guard let merged = earlier.followed(by: append, within: settings) else { return false }
            effects.sendNow[position] = Envelope(
                to: server,
                message: Message(from: id, term: currentTerm, body: .appendEntries(merged)))
            return true
        }
        return false
    }

    /// Sends everybody what they lack.
    mutating func broadcastEntries(into effects: inout Effects) {
        for position in followers.indices { sendEntries(to: position, into: &effects) }
    }

    /// §5.2: heartbeats prevent elections. They also unstick whatever waits for a lost message.
    mutating func sendHeartbeats(into effects: inout Effects) {
        for position in followers.indices {
            followers[position].isPaused = election.unreachable.contains(followers.id(at: position))
            if needsSnapshot(position) { startSnapshot(to: position, into: &effects) }
            resendSnapshotChunk(to: position, into: &effects)
            if !sendEntries(to: position, into: &effects) || followers[position].mode == .snapshot {
                sendEmpty(to: position, expectsReply: true, into: &effects)
            }
        }
        continueTransfer(into: &effects)
        leadership.heartbeatDeadline = now.advanced(
            byMilliseconds: isAlone
                ? settings.electionTimeoutMilliseconds.upperBound
                : settings.heartbeatIntervalMilliseconds)
    }

    /// Followers apply, and answer their clients, as soon as they know of a commit.
    mutating func sendCommitNotices(into effects: inout Effects) {
        for position in followers.indices { sendCommitNotice(to: position, into: &effects) }
    }

    /// Tells the follower what is committed, if that is new to it, it can use it, and somebody
    /// waits.
    mutating func sendCommitNotice(to position: Int, into effects: inout Effects) {
        let follower = followers[position]
        guard follower.mode == .replicate, follower.awaitsCommit,
            min(commitIndex, follower.nextIndex.previous()) > follower.sentCommitIndex
        else { return }
        sendEmpty(to: position, expectsReply: false, into: &effects)
    }
}

extension AppendEntries {
    /// This message and `next` as one, if `next` begins where this one ends and both fit in one.
    func followed(by next: AppendEntries, within settings: RaftSettings) -> AppendEntries? {
        guard prevLogIndex.advanced(by: entries.count) == next.prevLogIndex else { return nil }
        let joined: [Entry]
        if next.entries.isEmpty {
            joined = entries
        } else if entries.isEmpty {
            joined = next.entries
        } else {
            guard entries.count + next.entries.count <= settings.maximumEntriesPerAppend
            else { return nil }
            joined = entries + next.entries
            let bytes = joined.reduce(0) { $0 + $1.payload.count }
            guard bytes <= settings.maximumBytesPerAppend else { return nil }
        }
        return AppendEntries(
            prevLogIndex: prevLogIndex, prevLogTerm: prevLogTerm, entries: joined,
            leaderCommit: max(leaderCommit, next.leaderCommit),
            readRound: max(readRound, next.readRound),
            expectsReply: expectsReply || next.expectsReply)
    }
}
