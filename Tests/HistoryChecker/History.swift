/// One call of one client, with what it was told and when: a line of a history.
///
/// All times are nanoseconds of one monotonic clock that the whole history shares. A frame of an
/// events stream is an operation too: it has no beginning of its own, so `invoked` is when the
/// stream was asked for.
///
/// Each attempt of a repeated call may be an operation of its own (same session and request id), or
/// all attempts together one operation, from the first invocation to the answer.
package struct ClientOperation: Hashable, Sendable {
    /// Names the operation in reports; unique in its history.
    package var id: Int
    package var client: Int
    /// The node that was asked; nil if that is not known or there were several.
    package var node: Int?
    /// When the client sent the call, in nanoseconds. Before it is sent, never after.
    package var invoked: UInt64
    /// When the client had the answer, in nanoseconds. Nil: the outcome is unknown, the call may
    /// take effect at any later time or never.
    package var returned: UInt64?
    package var call: Call
    /// What the client was told. Nil exactly if `returned` is nil.
    package var outcome: Outcome?
    /// The log index that the answer carries; nil or 0 if it carries none.
    package var index: UInt64?

    package init(
        id: Int, client: Int, node: Int? = nil, invoked: UInt64, returned: UInt64? = nil,
        call: Call, outcome: Outcome? = nil, index: UInt64? = nil
    ) {
        self.id = id
        self.client = client
        self.node = node
        self.invoked = invoked
        self.returned = returned
        self.call = call
        self.outcome = outcome
        self.index = index
    }
}

/// What a client asked for. `latch` is the latch's full name, however the recorder spells it.
package enum Call: Hashable, Sendable {
    /// Create. The timeout in milliseconds is the one that counts, after the server's bounds.
    case openSession(latch: String, timeoutMilliseconds: UInt64)
    case keepAlive(latch: String, session: UInt64)
    /// Close without delete.
    case closeSession(latch: String, session: UInt64)
    /// Close with delete: ends every session of the latch and starts its terms anew (S10).
    case deleteLatch(latch: String)
    /// Latch. Equal session and request id mean the same command; request id 0 is not sequenced.
    case join(latch: String, session: UInt64, requestID: UInt64, participant: String)
    /// Takes one participant of the session out; the session stays open. Numbered like a join.
    case leave(latch: String, session: UInt64, requestID: UInt64, participant: String)
    /// The holder under `token` passes the latch to the first `to` that waits, and becomes the last
    /// in line. Without a session an operator asks, not sequenced.
    case handOver(latch: String, session: UInt64?, requestID: UInt64, token: UInt64, to: String)
    /// The holder under `token` says something, until the latch changes hands.
    case publish(latch: String, session: UInt64, requestID: UInt64, token: UInt64, value: String)
    /// An operator takes the first participant of that name out, or that of one session; its
    /// session stays open. With a token: only while that is the current one.
    case evict(latch: String, participant: String, session: UInt64?, token: UInt64?)
    /// Get, or a read without a session.
    case read(latch: String, session: UInt64?)
    /// One frame of an events stream, as it came.
    case frame(latch: String, session: UInt64, stream: UInt64, responseID: UInt64)
}

/// What a client was told.
package enum Outcome: Hashable, Sendable {
    /// A session was opened; its id.
    case opened(session: UInt64)
    /// A keep-alive was accepted.
    case alive
    /// A session was closed or a latch deleted; also said of one that was gone before (S9).
    case closed
    /// The session is unknown or over.
    case unknownSession
    /// The latch as it was right after the command, at the read, or after the change (events).
    case state(LatchView)
    /// The command took effect; the answer does not show the latch.
    case done
    /// Nothing was done, for this reason: also a statement about the latch.
    case denied(Denial)
    /// Nothing was done, and this attempt never will do anything: overloaded, no leader, a void
    /// request id, bad input. Where that is not sure (`outcome-unknown`, a deadline) leave the
    /// outcome nil. `already-acknowledged` counts as unknown.
    case refused(reason: String)
    /// The first frame of an events stream.
    case streamOpened
    /// The last frame of an events stream.
    case streamClosed
}

/// Why the latch did not do what it was asked.
package enum Denial: String, Hashable, Sendable {
    /// The token is not that of the current grant, or the holder is of another session.
    case tokenMoved = "token-moved"
    /// Nobody of that name waits, or is in the latch as the command says; or there is no latch.
    case noSuchParticipant = "no-such-participant"
}

/// A latch as an answer shows it.
package struct LatchView: Hashable, Sendable {
    /// `Latch.id` of the Atomix API.
    package var term: UInt64
    /// The fencing token; nil if the answer does not carry one.
    package var token: UInt64?
    /// Nil if nobody holds the latch.
    package var holder: String?
    /// The oldest first.
    package var participants: [String]
    /// What the holder has published, "" if nothing; nil if the answer does not carry it.
    package var value: String?

    package init(
        term: UInt64 = 0, token: UInt64? = nil, holder: String? = nil, participants: [String] = [],
        value: String? = nil
    ) {
        self.term = term
        self.token = token
        self.holder = holder
        self.participants = participants
        self.value = value
    }
}

extension Call {
    /// The latch that the call is about.
    package var latch: String {
        switch self {
        case .openSession(let latch, _), .keepAlive(let latch, _), .closeSession(let latch, _),
            .deleteLatch(let latch), .join(let latch, _, _, _), .leave(let latch, _, _, _),
            .handOver(let latch, _, _, _, _), .publish(let latch, _, _, _, _),
            .evict(let latch, _, _, _), .read(let latch, _), .frame(let latch, _, _, _):
            latch
        }
    }

    /// The session in which the call is made; an evict names one without being in it.
    package var session: UInt64? {
        switch self {
        case .openSession, .deleteLatch, .evict: nil
        case .keepAlive(_, let session), .closeSession(_, let session),
            .join(_, let session, _, _), .leave(_, let session, _, _),
            .publish(_, let session, _, _, _), .frame(_, let session, _, _):
            session
        case .read(_, let session), .handOver(_, let session, _, _, _): session
        }
    }

    /// The number of a command in its session, 0 if it is not sequenced; nil: no such command.
    var requestID: UInt64? {
        switch self {
        case .join(_, _, let request, _), .leave(_, _, let request, _),
            .handOver(_, _, let request, _, _), .publish(_, _, let request, _, _):
            request
        case .evict: 0
        case .openSession, .keepAlive, .closeSession, .deleteLatch, .read, .frame: nil
        }
    }
}
