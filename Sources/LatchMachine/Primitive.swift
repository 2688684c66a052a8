/// One named latch with everything that hangs on it (section 5).
struct Primitive: Sendable {
    /// Invariant: the holder is the first participant, nil if there is none.
    private(set) var latch = LatchState()
    /// The session of each participant, in the same order.
    private(set) var owners: [SessionID] = []
    private(set) var ring = EventRing()
    private(set) var ledger = Ledger()
    /// The sessions opened on this primitive.
    var sessions = SortedChunks<SessionID>()
    /// The open streams of those sessions.
    var cursors = SortedChunks<StreamCursor>()

    init() {}

    /// Takes what a snapshot kept.
    init(latch: LatchState, owners: [SessionID], ring: EventRing, ledger: Ledger) {
        self.latch = latch
        self.owners = owners
        self.ring = ring
        self.ledger = ledger
    }

    /// What a command did to the latch.
    enum Effect {
        case changed
        /// It stands as the command wants it.
        case unchanged
        case refused(Rejection)
    }

    // MARK: Questions

    /// Whether the latch is held under this token.
    func isCurrent(token: UInt64) -> Bool { latch.holder != nil && token == latch.fencingToken }

    /// The first participant of that name from `start` on, of this session if one is given.
    func position(of participant: String, session: SessionID? = nil, from start: Int = 0) -> Int? {
        owners.indices.dropFirst(start).first { position in
            session.map { $0 == owners[position] } ?? true
                && latch.participants[position].hasSameBytes(as: participant)
        }
    }

    // MARK: Changes

    /// Adds a participant at the end; it holds the latch at once if nobody does. One that is in
    /// under this name and session stays where it is (decided rule 2).
    mutating func join(
        _ participant: String, of session: SessionID, at moment: Moment, limits: Limits
    ) -> Effect {
        guard position(of: participant, session: session) == nil else { return .unchanged }
        guard owners.count < limits.participantsPerLatch else {
            return .refused(
                .limit("participants: a latch has at most \(limits.participantsPerLatch)"))
        }
        guard latch.holder != nil || mayGrant(at: moment) else { return .refused(.grantLimit) }
        latch.participants.append(participant)
        owners.append(session)
        if latch.holder == nil { grant(.joined, at: moment) }
        return .changed
    }

    /// Removes the participant at `position`; if it held the latch, its term ends as `end` says.
    mutating func remove(at position: Int, _ end: TermEnd, at moment: Moment) -> Effect {
        let passesOn = position == 0 && owners.count > 1
        guard !passesOn || mayGrant(at: moment) else { return .refused(.grantLimit) }
        latch.participants.remove(at: position)
        owners.remove(at: position)
        if position == 0 { passOn(end, at: moment) }
        return .changed
    }

    /// Removes all participants of sessions that are gone (ascending); returns whether there were
    /// any. Whatever their number, the latch passes on once, with one term step (Clarified c).
    mutating func removeParticipants(
        of gone: [SessionID], _ end: TermEnd, at moment: Moment
    ) -> Bool {
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
        if holderLeft { passOn(end, at: moment) }
        return true
    }

    /// The participant at `position`, which waits, holds the latch from now on, and the holder
    /// becomes the last in line.
    mutating func handOver(to position: Int, _ end: TermEnd, at moment: Moment) -> Effect {
        guard mayGrant(at: moment) else { return .refused(.grantLimit) }
        let (participant, owner) = (latch.participants[position], owners[position])
        latch.participants.remove(at: position)
        owners.remove(at: position)
        latch.participants.append(latch.participants[0])
        owners.append(owners[0])
        latch.participants[0] = participant
        owners[0] = owner
        passOn(end, at: moment)
        return .changed
    }

    /// The holder says something to those who look.
    mutating func publish(_ value: String) -> Effect {
        guard !latch.value.hasSameBytes(as: value) else { return .unchanged }
        latch.value = value
        return .changed
    }

    /// Records the state as an event of the entry at `index`.
    mutating func recordChange(at index: UInt64, limits: Limits) {
        ring.append(LatchEvent(index: index, state: latch), limits: limits)
    }

    // MARK: Grants

    /// A token is the entry's index, so one entry grants a latch once. Commands that were held for
    /// a gap are applied by one entry together, and only theirs can be in want of a second grant.
    private func mayGrant(at moment: Moment) -> Bool { moment.token > latch.fencingToken }

    /// The term of a holder that is not the first any more ends, and that of the first begins.
    private mutating func passOn(_ end: TermEnd, at moment: Moment) {
        ledger.end(end, at: moment)
        grant(end.cause, at: moment)
    }

    /// The first participant holds the latch from now on. With none left the term stays.
    private mutating func grant(_ cause: Cause, at moment: Moment) {
        latch.value = ""
        latch.holder = latch.participants.first
        guard let holder = latch.holder, let owner = owners.first else { return }
        precondition(mayGrant(at: moment), "I14: a fencing token only ever grows")
        latch.term &+= 1
        latch.fencingToken = moment.token
        ledger.begin(latch, holder: holder, session: owner, cause, at: moment)
    }
}

extension Rejection {
    fileprivate static var grantLimit: Self {
        .limit("grants: a log entry grants a latch once, and this command came with others")
    }
}
