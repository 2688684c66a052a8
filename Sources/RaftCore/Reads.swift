/// Linearizable reads by ReadIndex (thesis §6.4): no clock takes part.
struct Reads: Sendable {
    /// One batch of reads that waits for its round.
    struct Pending: Sendable {
        let id: ReadID
        /// `commitIndex` when the read was made.
        let index: LogIndex
        let round: UInt64
    }

    /// The newest round. Each read gets its own, so no message sent before it can confirm it (C16,
    /// B09).
    var round: UInt64 = 0
    /// Reads made before the term's first commit (C15), in order.
    var held: [ReadID] = []
    /// Ascending by round.
    var pending: [Pending] = []

    /// More reads than this wait for nothing: the leader is cut off.
    static let limit = 100_000
}

extension Raft {
    /// A read is linearizable if this server still leads after the read was made.
    mutating func read(_ id: ReadID, into effects: inout Effects) {
        if let refusal = refusalOfRead(into: &effects) {
            effects.reads.append(ReadGrant(id: id, result: .refused(refusal)))
            return
        }
        // Thesis §6.4, step 1: before its first commit a leader does not know what is committed
        // (B07).
        guard isReadyToServe else {
            reads.held.append(id)
            effects.decisions.append(.heldRead(id))
            return
        }
        beginReadRound(for: CollectionOfOne(id), into: &effects)
    }

    private mutating func refusalOfRead(into effects: inout Effects) -> Refusal? {
        guard role == .leader, confirmQuorum(into: &effects) else {
            return .notLeader(leader: leader)
        }
        // B11: reads pass the same gate as proposals while leadership moves.
        if let transfer = leadership.transfer {
            return .transferringLeadership(to: transfer.target)
        }
        return reads.held.count + reads.pending.count >= Reads.limit ? .overloaded : nil
    }

    /// Thesis §6.4, steps 2 and 3: notes `commitIndex`, then asks a majority whether this server
    /// still leads.
    private mutating func beginReadRound(
        for ids: some Collection<ReadID>, into effects: inout Effects
    ) {
        reads.round += 1
        effects.decisions.append(.beganReadRound(reads.round, readIndex: commitIndex))
        for id in ids {
            reads.pending.append(Reads.Pending(id: id, index: commitIndex, round: reads.round))
        }
        for position in followers.indices {
            sendEmpty(to: position, expectsReply: true, into: &effects)
        }
        grantConfirmedReads(into: &effects)
    }

    /// The first commit of the term has come: the reads that waited for it start their round.
    mutating func releaseHeldReads(into effects: inout Effects) {
        guard !reads.held.isEmpty else { return }
        let held = reads.held
        reads.held = []
        beginReadRound(for: held, into: &effects)
    }

    /// Grants the reads whose round a majority has confirmed, in this term, with this server
    /// counted.
    mutating func grantConfirmedReads(into effects: inout Effects) {
        guard !reads.pending.isEmpty else { return }
        let confirmed = majorityValue(own: reads.round) { $0.confirmedRound }
        let count = reads.pending.firstIndex { $0.round > confirmed } ?? reads.pending.count
        for read in reads.pending[..<count] {
            effects.reads.append(ReadGrant(id: read.id, result: .granted(read.index)))
        }
        reads.pending.removeFirst(count)
    }

    /// Nobody can confirm these reads any more.
    mutating func refuseAllReads(_ refusal: Refusal, into effects: inout Effects) {
        for id in reads.held {
            effects.reads.append(ReadGrant(id: id, result: .refused(refusal)))
        }
        for read in reads.pending {
            effects.reads.append(ReadGrant(id: read.id, result: .refused(refusal)))
        }
        reads.held = []
        reads.pending = []
    }
}
