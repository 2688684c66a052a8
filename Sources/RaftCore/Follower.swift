/// What a leader knows about one follower (Figure 2, "Volatile state on leaders", and pipelining).
struct Follower: Sendable {
    /// One AppendEntries with entries that is not yet acknowledged.
    struct InFlight: Sendable {
        let lastIndex: LogIndex
        let bytes: Int
    }

    var mode = FollowerStatus.Mode.probe
    /// The durable log of the follower equals the leader's up to here. Falls only if the follower
    /// denies it (D16).
    var matchIndex = LogIndex.zero
    /// The next entry to send. Invariant: greater than `matchIndex`.
    var nextIndex: LogIndex
    /// The last current-term message, for CheckQuorum.
    var lastHeard: Instant
    /// The newest ReadIndex round that the follower confirmed.
    var confirmedRound: UInt64 = 0
    /// The highest `leaderCommit` sent.
    var sentCommitIndex = LogIndex.zero
    /// A notice of each commit is worth a message of its own (``Raft/awaitsCommit``).
    var awaitsCommit = true
    /// Probing: one question is out; the next waits for its answer or for a heartbeat.
    var isPaused = false
    /// Ascending. Invariant: empty unless replicating.
    private(set) var inFlight: [InFlight] = []
    private(set) var inFlightBytes = 0
    var transfer: SnapshotTransfer?

    init(nextIndex: LogIndex, lastHeard: Instant) {
        self.nextIndex = nextIndex
        self.lastHeard = lastHeard
    }

    mutating func noteSent(through lastIndex: LogIndex, bytes: Int) {
        inFlight.append(InFlight(lastIndex: lastIndex, bytes: bytes))
        inFlightBytes += bytes
    }

    /// Everything up to `index` has arrived.
    mutating func noteArrived(through index: LogIndex) {
        var count = 0
        while count < inFlight.count, inFlight[count].lastIndex <= index {
            inFlightBytes -= inFlight[count].bytes
            count += 1
        }
        inFlight.removeFirst(count)
    }

    /// Enters `mode`, forgetting what was in flight.
    mutating func enter(_ mode: FollowerStatus.Mode, nextIndex: LogIndex) {
        self.mode = mode
        self.nextIndex = max(nextIndex, matchIndex.next())
        isPaused = false
        inFlight.removeAll(keepingCapacity: true)
        inFlightBytes = 0
        sentCommitIndex = .zero
        transfer = nil
    }
}

/// A snapshot on its way to one follower: one chunk in flight, the same snapshot to the end.
struct SnapshotTransfer: Sendable {
    let snapshot: Snapshot
    let checksum: UInt32
    /// Everything before this offset has arrived.
    var offset: Int
    /// When the chunk at `offset` was last sent.
    var sentAt: Instant
    /// How often it was sent again.
    var resends: UInt64 = 0
}

/// What a leader knows about its own term.
struct Leadership: Sendable {
    struct Transfer: Sendable {
        let target: ServerID
        let deadline: Instant
    }

    /// The no-op that opened the term: once it is committed, so is everything before it (§5.4.2,
    /// §8).
    var noOpIndex = LogIndex.zero
    var heartbeatDeadline = Instant(milliseconds: 0)
    /// At the earliest then, CheckQuorum may find no majority.
    var quorumDeadline = Instant(milliseconds: 0)
    /// The payload bytes in the log past `commitIndex`.
    var uncommittedBytes = 0
    var transfer: Transfer?
    /// The checksum of `Raft.snapshot`, computed when it is first sent.
    var checksum: (lastIncludedIndex: LogIndex, value: UInt32)?
}
