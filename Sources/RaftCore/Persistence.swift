/// Which part of the persistent state is durable, and which part is on its way to the disk.
///
/// The host writes batches in the order of their ids, so an acknowledged id vouches for all before
/// it.
struct Persistence: Sendable {
    /// One batch that was handed out and is not yet durable.
    struct Queued: Sendable {
        let id: PersistID
        /// When this batch is durable, the durable log equals ours up to this index.
        /// A later truncation lowers it: a late acknowledgement must not vouch for a replaced
        /// suffix.
        var lastIndex: LogIndex
        var vote: Persist.Vote?
        /// The payload bytes of the entries in this batch.
        var bytes = 0
        /// The log in memory can forget this much once the snapshot in this batch is durable.
        var compactThrough: LogIndex?
    }

    var lastID = PersistID(0)
    /// Ascending by id.
    var queued: [Queued] = []
    var durableVote: Persist.Vote
    /// The payload bytes of the entries in `queued`.
    private(set) var unwrittenBytes = 0
    /// The durable log equals `Raft.log` up to this index. Invariant: at most `log.lastIndex`.
    var durableIndex: LogIndex

    init(durableVote: Persist.Vote, durableIndex: LogIndex) {
        self.durableVote = durableVote
        self.durableIndex = durableIndex
    }

    /// The log changed after `index`: whatever was written there proves nothing about the new log.
    mutating func lower(to index: LogIndex) {
        durableIndex = min(durableIndex, index)
        for position in queued.indices {
            queued[position].lastIndex = min(queued[position].lastIndex, index)
        }
    }

    /// Entries of so many payload bytes joined the newest batch.
    mutating func noteAppended(bytes: Int, lastIndex: LogIndex) {
        unwrittenBytes += bytes
        updateNewest {
            $0.lastIndex = lastIndex
            $0.bytes += bytes
        }
    }

    /// The oldest queued batch is durable.
    mutating func removeOldest() -> Queued {
        let batch = queued.removeFirst()
        unwrittenBytes -= batch.bytes
        return batch
    }

    /// Changes the newest queued batch, which is the one that still lies in the host's `Effects`.
    mutating func updateNewest(_ change: (inout Queued) -> Void) {
        precondition(!queued.isEmpty, "a batch is opened before it is changed")
        change(&queued[queued.count - 1])
    }
}

extension Raft {
    /// Whether the disk holds `currentTerm`, so that any message may state it.
    var isTermDurable: Bool { persistence.durableVote.currentTerm == currentTerm }

    /// Makes sure that `effects` has a batch, to carry a change or only to hold promises back.
    mutating func openPersist(into effects: inout Effects) {
        if let open = effects.persist {
            precondition(
                open.id == persistence.queued.last?.id, "one Effects value belongs to one server")
            return
        }
        let id = PersistID(persistence.lastID.rawValue + 1)
        persistence.lastID = id
        persistence.queued.append(
            Persistence.Queued(id: id, lastIndex: log.lastIndex, vote: nil, compactThrough: nil))
        effects.persist = Persist(id: id)
    }

    /// B02: term and vote are always written together.
    mutating func persistVote(into effects: inout Effects) {
        openPersist(into: &effects)
        let vote = Persist.Vote(currentTerm: currentTerm, votedFor: votedFor)
        if let earlier = effects.persist?.vote, earlier.currentTerm < currentTerm {
            Raft.withdrawVotes(before: currentTerm, from: &effects)
        }
        effects.persist?.vote = vote
        persistence.updateNewest { $0.vote = vote }
    }

    /// A vote of a past term that this same batch was to write will never be on the disk: it is not
    /// sent.
    private static func withdrawVotes(before term: Term, from effects: inout Effects) {
        effects.sendAfterPersist.removeAll { envelope in
            guard envelope.message.term < term else { return false }
            switch envelope.message.body {
            case .requestVote: return true
            case .requestVoteReply(let reply): return reply.voteGranted
            case .appendEntries, .appendEntriesReply, .installSnapshot, .installSnapshotReply,
                .timeoutNow:
                return false
            }
        }
    }

    /// Appends entries to the log, and to the batch for the disk.
    mutating func appendToLog(_ entries: some Collection<Entry>, into effects: inout Effects) {
        guard !entries.isEmpty else { return }
        openPersist(into: &effects)
        for entry in entries { log.append(entry) }
        effects.persist?.append.append(contentsOf: entries)
        persistence.noteAppended(
            bytes: entries.reduce(0) { $0 + $1.payload.count }, lastIndex: log.lastIndex)
    }

    /// §5.3: "delete the existing entry and all that follow it".
    mutating func truncateLog(from index: LogIndex, into effects: inout Effects) {
        precondition(role != .leader, "Leader Append-Only (Figure 3)")
        precondition(index > commitIndex, "State Machine Safety (Figure 3): \(index) is committed")
        openPersist(into: &effects)
        log.truncate(from: index)
        persistence.lower(to: index.previous())
        Raft.mergeTruncation(from: index, into: &effects)
        // An acknowledgement of what is gone, held back in this same batch, is never sent.
        effects.sendAfterPersist.removeAll { envelope in
            guard case .appendEntriesReply(let reply) = envelope.message.body,
                case .matched(let matchIndex) = reply.result
            else { return false }
            return matchIndex >= index
        }
        effects.decisions.append(.truncated(from: index))
    }

    /// The batch may already hold entries that are now replaced: those never reach the disk.
    private static func mergeTruncation(from index: LogIndex, into effects: inout Effects) {
        guard var persist = effects.persist else { return }
        effects.persist = nil
        defer { effects.persist = persist }
        guard let first = persist.append.first?.index, index >= first else {
            persist.append = []
            persist.truncateFrom = min(persist.truncateFrom ?? index, index)
            return
        }
        persist.append.removeSubrange(Int(index.rawValue - first.rawValue)...)
    }

    /// Sends `body` when everything decided so far is durable.
    mutating func sendAfterPersist(
        _ body: Message.Body, to server: ServerID, into effects: inout Effects
    ) {
        openPersist(into: &effects)
        effects.sendAfterPersist.append(
            Envelope(to: server, message: Message(from: id, term: currentTerm, body: body)))
    }

    /// Sends `body`, which promises nothing but `currentTerm`, as soon as that term is durable.
    mutating func send(_ body: Message.Body, to server: ServerID, into effects: inout Effects) {
        guard isTermDurable else { return sendAfterPersist(body, to: server, into: &effects) }
        effects.sendNow.append(
            Envelope(to: server, message: Message(from: id, term: currentTerm, body: body)))
    }

    /// The disk vouches for `id` and all before it: only now does this server count itself (thesis
    /// §10.2.1).
    mutating func handlePersisted(_ id: PersistID, into effects: inout Effects) {
        guard id <= persistence.lastID, id != effects.persist?.id else {
            effects.decisions.append(.ignored(.unknownPersist))
            return
        }
        var compactThrough: LogIndex?
        while let oldest = persistence.queued.first, oldest.id <= id {
            let batch = persistence.removeOldest()
            persistence.durableIndex = max(persistence.durableIndex, batch.lastIndex)
            if let vote = batch.vote { persistence.durableVote = vote }
            compactThrough = batch.compactThrough ?? compactThrough
        }
        if let compactThrough { compactLog(through: compactThrough, into: &effects) }
        switch role {
        case .leader: advanceCommitIndex(into: &effects)
        case .candidate: countOwnVote(into: &effects)
        case .follower, .preCandidate: break
        }
    }
}
