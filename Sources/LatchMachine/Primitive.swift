/// One named latch with everything that hangs on it (section 5).
struct Primitive: Sendable {
    /// Invariant: the holder is the first participant, nil if there is none.
    private(set) var latch = LatchState()
    /// The session of each participant, in the same order.
    private(set) var owners: [SessionID] = []
    private(set) var ring = EventRing()
    /// The sessions opened on this primitive.
    var sessions = SortedChunks<SessionID>()
    /// The open streams of those sessions.
    var cursors = SortedChunks<StreamCursor>()

    init() {}

    /// Takes what a snapshot kept.
    init(latch: LatchState, owners: [SessionID], ring: EventRing) {
        self.latch = latch
        self.owners = owners
        self.ring = ring
    }

    enum Joining {
        case joined
        /// This session is in the latch under this name: nothing changes (decided rule 2).
        case already
        case full
    }

    /// Adds a participant at the end; it holds the latch at once if nobody does.
    mutating func join(
        _ participant: String, of session: SessionID, token: UInt64, limits: Limits
    ) -> Joining {
        for position in owners.indices where owners[position] == session {
            if latch.participants[position].hasSameBytes(as: participant) { return .already }
        }
        guard owners.count < limits.participantsPerLatch else { return .full }
        latch.participants.append(participant)
        owners.append(session)
        if latch.holder == nil { grant(token: token) }
        return .joined
    }

    /// Removes all participants of sessions that are gone (ascending); returns whether there were
    /// any. Whatever their number, the latch passes on once, with one term step (Clarified c).
    mutating func removeParticipants(of gone: [SessionID], token: UInt64) -> Bool {
        func isGone(_ session: SessionID) -> Bool {
            let position = gone.lowerBound { $0 < session }
            return position < gone.count && gone[position] == session
        }
        guard let first = owners.first, owners.contains(where: isGone) else { return false }
        let holderLeft = isGone(first)
        var participants: [String] = []
        var remaining: [SessionID] = []
        for (owner, participant) in zip(owners, latch.participants) where !isGone(owner) {
            participants.append(participant)
            remaining.append(owner)
        }
        latch.participants = participants
        owners = remaining
        if holderLeft { grant(token: token) }
        return true
    }

    /// Records the state as an event of the entry at `index`.
    mutating func recordChange(at index: UInt64, limits: Limits) {
        ring.append(LatchEvent(index: index, state: latch), limits: limits)
    }

    /// The oldest participant holds the latch from now on. With none left the term stays.
    private mutating func grant(token: UInt64) {
        latch.holder = latch.participants.first
        guard latch.holder != nil else { return }
        precondition(token > latch.fencingToken, "I14: a fencing token only ever grows")
        latch.term &+= 1
        latch.fencingToken = token
    }
}
