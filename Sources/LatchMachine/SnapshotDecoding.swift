package import BinaryCoding
import DequeModule
import HashTreeCollections

extension LatchMachine {
    /// Restores what ``encodeSnapshot()`` wrote: incarnation, index, log time and digest too.
    ///
    /// - Throws: If the bytes are cut, damaged or of another version, or hold a state that breaks
    ///   an order, a bound or an invariant that the machine relies on. What no log leads to and yet
    ///   harms nothing may pass.
    package init(
        snapshot: [UInt8], limits: Limits = .standard
    ) throws(DecodingFailure) {
        let body = try Self.verifiedBody(of: snapshot)
        var decoder = SnapshotDecoder(limits: limits)
        let state = try ByteReader.withReader(over: body) { reader throws(DecodingFailure) in
            try decoder.readState(from: &reader)
        }
        self.init(state, ExpiryQueue(decoder.deadlines), limits: limits)
    }

    /// The bytes before the checksum, once it was found right.
    private static func verifiedBody(
        of snapshot: [UInt8]
    ) throws(DecodingFailure) -> ArraySlice<UInt8> {
        guard snapshot.count >= 4 else {
            throw .truncated(field: "snapshot", needed: 4, available: snapshot.count)
        }
        let body = snapshot.dropLast(4)
        let stored = snapshot.suffix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let computed = snapshot.withUnsafeBytes {
            CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0.dropLast(4)))
        }
        guard stored == computed else {
            throw .checksumMismatch(field: "snapshot", stored: stored, computed: computed)
        }
        return body
    }
}

/// Reads the body of a snapshot and checks what the machine relies on.
struct SnapshotDecoder {
    /// What the state must be within: bounds may grow between two versions, never shrink.
    let limits: Limits
    /// Every session with its deadline, for the expiry queue.
    private(set) var deadlines: [ExpiryQueue.Candidate] = []
    /// Whether latches have values and ledgers: from version 2 on.
    private var hasLedgers = true

    init(limits: Limits) {
        self.limits = limits
    }

    mutating func readState(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> ReplicatedState {
        let magic = try reader.readRaw(count: SnapshotLayout.magic.count, "snapshot magic")
        guard magic.elementsEqual(SnapshotLayout.magic) else {
            throw .invalid(field: "snapshot magic", reason: "these bytes are no snapshot")
        }
        let version = try reader.read(UInt16.self, "snapshot version")
        guard version == SnapshotLayout.version || version == SnapshotLayout.versionWithoutLedgers
        else { throw .invalid(field: "snapshot version", reason: "\(version) is not known here") }
        hasLedgers = version != SnapshotLayout.versionWithoutLedgers
        var state = ReplicatedState(incarnation: try reader.read(UInt16.self, "incarnation"))
        state.lastApplied = try reader.readNumber("last applied")
        guard state.lastApplied <= ReplicatedState.highestSnapshotIndex else {
            throw .invalid(field: "last applied", reason: "no log is as long")
        }
        state.time = LogTime(
            now: try reader.readNumber("log time"),
            graceStart: try reader.readNumber("grace start"),
            grace: try reader.readNumber("grace"))
        guard state.time.graceStartMilliseconds <= state.time.nowMilliseconds else {
            throw .invalid(field: "grace start", reason: "it is in the future")
        }
        state.digest = RollingDigest(try reader.readNumber("digest"))
        let count = try reader.readCount("primitives", minimumBytesEach: 44)
        try require(count, atMost: limits.primitives, "primitives")
        var names: [PrimitiveName] = []
        names.reserveCapacity(count)
        for _ in 0..<count {
            let name = try reader.readPrimitiveName()
            if let last = names.last, !(last < name) {
                throw .invalid(field: "primitives", reason: "they are not in order")
            }
            names.append(name)
            try readPrimitive(name, into: &state, from: &reader)
        }
        try require(state.sessions.count, atMost: limits.sessions, "sessions")
        state.names = SortedChunks(ascending: names)
        return state
    }

    private mutating func readPrimitive(
        _ name: PrimitiveName, into state: inout ReplicatedState, from reader: inout ByteReader
    ) throws(DecodingFailure) {
        var texts = NameTable(hasValues: hasLedgers)
        var latch = LatchState(
            term: try reader.readNumber("term"), fencingToken: try reader.readNumber("token"))
        var owners: [SessionID] = []
        let participants = try reader.readCount("participants", minimumBytesEach: 12)
        try require(participants, atMost: limits.participantsPerLatch, "participants")
        for _ in 0..<participants {
            latch.participants.append(try texts.readName(from: &reader))
            owners.append(try reader.readNumber("owner"))
        }
        latch.holder = latch.participants.first
        latch.value = try texts.readValue(from: &reader)
        let newestNumber = try reader.read(UInt64.self, "newest event")
        var events: Deque<LatchEvent> = []
        let eventCount = try reader.readCount("events", minimumBytesEach: 28)
        try require(eventCount, atMost: limits.eventsPerLatch, "events")
        events.reserveCapacity(eventCount)
        for _ in 0..<eventCount {
            events.append(
                LatchEvent(
                    index: try reader.readNumber("event index"),
                    state: try texts.readLatch(from: &reader)
                ))
        }
        guard UInt64(events.count) <= newestNumber, events.isEmpty == (newestNumber == 0) else {
            throw .invalid(field: "events", reason: "their number and count disagree")
        }
        let ring = EventRing(newestNumber: newestNumber, events: events)
        try ring.check(against: latch, upTo: state)
        let ledger =
            hasLedgers
            ? try texts.readLedger(from: &reader)
            : Ledger(unknownPastOf: latch, heldBy: owners.first)
        try ledger.check(against: latch, heldBy: owners.first, upTo: state)
        var primitive = Primitive(latch: latch, owners: owners, ring: ring, ledger: ledger)
        try readSessions(of: name, &primitive, &texts, into: &state, from: &reader)
        for owner in owners where !primitive.sessions.contains(owner) {
            throw .invalid(field: "owner", reason: "session \(owner) is not open")
        }
        state.primitives[name] = primitive
    }

    private mutating func readSessions(
        of name: PrimitiveName, _ primitive: inout Primitive, _ texts: inout NameTable,
        into state: inout ReplicatedState, from reader: inout ByteReader
    ) throws(DecodingFailure) {
        var last: SessionID = 0
        for _ in 0..<(try reader.readCount("sessions", minimumBytesEach: 56)) {
            let id = try reader.read(SessionID.self, "session")
            guard id > last, id <= state.entryNumber(at: state.lastApplied),
                ReplicatedState.index(ofEntryNumber: id) <= state.lastApplied
            else {
                throw .invalid(field: "session", reason: "\(id) is out of order or in the future")
            }
            last = id
            let session = try texts.readSession(
                of: name, newestEvent: primitive.ring.newestNumber, from: &reader)
            try session.check(id, in: state, limits)
            guard state.sessions.updateValue(session, forKey: id) == nil else {
                throw .invalid(field: "session", reason: "\(id) occurs twice")
            }
            primitive.sessions.insert(id)
            for stream in session.streams {
                let key = StreamKey(session: id, stream: stream.id)
                primitive.cursors.insert(StreamCursor(key: key, offset: stream.offset))
            }
            deadlines.append(
                .init(deadlineMilliseconds: session.deadlineMilliseconds, session: id))
        }
    }
}
