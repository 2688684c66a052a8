/// What one log entry asks the machine to do.
package enum Command: Hashable, Sendable {
    /// A new leader's first entry. It starts the grace for clients to find it, in log time, and
    /// raises the incarnation in fencing tokens to the one that the leader is configured with.
    case leaderElected(graceMilliseconds: UInt64, incarnation: UInt16 = 0)
    case openSession(PrimitiveName, timeoutMilliseconds: UInt64)
    /// Keep-alives that arrived together. Each is looked at alone, in this order.
    case renew([Renewal])
    /// Ends a session; idempotent (S9).
    case closeSession(PrimitiveName, SessionID)
    /// Removes the whole primitive with its sessions, whoever asks (S10).
    case deletePrimitive(PrimitiveName)
    /// Joins the latch. Request id 0 is applied at once, neither sequenced nor remembered (Q4).
    case latch(PrimitiveName, SessionID, requestID: UInt64, participant: String)
    /// Opens or re-opens an Events stream whose id is `requestID` (section 8). `index` is the
    /// client's highest seen.
    case openStream(PrimitiveName, SessionID, requestID: UInt64, index: UInt64)
    /// The bounded wait for a gap has ended: every id up to `requestID` that was not applied is
    /// void for ever.
    case closeGap(SessionID, requestID: UInt64)
    /// Ends sessions whose deadline had passed when the leader looked; each is checked again here.
    case expire([Expiry])
    /// Takes the session's participant of this name out of the latch; the session stays open.
    /// Numbered as ``latch(_:_:requestID:participant:)``.
    case leave(PrimitiveName, SessionID, requestID: UInt64, participant: String)
    /// The holder passes the latch to the first participant of a name that waits, and becomes the
    /// last in line. Session 0 is an operator, whose request id is 0; else numbered.
    case handOver(
        PrimitiveName, SessionID, requestID: UInt64, fencingToken: UInt64, to: String)
    /// The holder says something to those who look, until the latch changes hands. Numbered.
    case publish(
        PrimitiveName, SessionID, requestID: UInt64, fencingToken: UInt64, value: String)
    /// An operator takes a participant out; its session stays open. Session and token guard the
    /// command, 0 is any.
    case evict(PrimitiveName, participant: String, session: SessionID, fencingToken: UInt64)
}

/// One keep-alive: acknowledges answers and stream frames, and moves the session's deadline.
package struct Renewal: Hashable, Sendable {
    package let primitive: PrimitiveName
    package let session: SessionID
    /// The highest request id the client has an answer for.
    package let acknowledgedRequestID: UInt64
    /// Every open stream with its last received response id. Streams ≤ `acknowledgedRequestID` not
    /// listed are closed.
    package let streams: [StreamAcknowledgement]

    package init(
        primitive: PrimitiveName, session: SessionID, acknowledgedRequestID: UInt64,
        streams: [StreamAcknowledgement]
    ) {
        self.primitive = primitive
        self.session = session
        self.acknowledgedRequestID = acknowledgedRequestID
        self.streams = streams
    }
}

/// One stream's last received response id.
package struct StreamAcknowledgement: Hashable, Sendable {
    package let stream: UInt64
    package let responseID: UInt64
    package init(stream: UInt64, responseID: UInt64) {
        self.stream = stream
        self.responseID = responseID
    }
}

/// A session the leader believes to be past its deadline, as it stood when the leader looked.
package struct Expiry: Hashable, Sendable {
    package let session: SessionID
    /// The deadline that had passed, in log time. If a renewal has moved it, the session lives.
    package let deadlineMilliseconds: UInt64
    package init(session: SessionID, deadlineMilliseconds: UInt64) {
        self.session = session
        self.deadlineMilliseconds = deadlineMilliseconds
    }
}

/// The payload of one log entry: a command, who waits for its outcome, and when it was appended.
package struct LogRecord: Hashable, Sendable {
    /// The server whose client asked, and its number for the call; (0, 0) if nobody waits.
    package let origin: UInt16
    package let number: UInt64
    /// The leader's log time when it appended the entry, in milliseconds.
    package let logTimeMilliseconds: UInt64
    /// The leader's wall clock then, in milliseconds since 1970; 0 where it is not known. For
    /// people who read the ledger: it never decides anything.
    package let wallTimeMilliseconds: UInt64
    package let command: Command

    package init(
        origin: UInt16, number: UInt64, logTimeMilliseconds: UInt64,
        wallTimeMilliseconds: UInt64 = 0, command: Command
    ) {
        self.origin = origin
        self.number = number
        self.logTimeMilliseconds = logTimeMilliseconds
        self.wallTimeMilliseconds = wallTimeMilliseconds
        self.command = command
    }
}
