/// What applying one entry means for those who wait, stream frames before the answer (section 8).
package enum Outcome: Hashable, Sendable {
    /// The answer to the call that this entry carries; the last outcome of its entry.
    case answer(Answer)
    /// The answer to a command that was held for a gap and is decided by this entry (Q3).
    case heldAnswer(SessionID, requestID: UInt64, Answer)
    /// A frame for this stream's subscriber, if there is one here.
    case frame(StreamKey, Frame)
    /// Somebody (re-)opened this stream: any other transport that carried it before is abandoned
    /// (E4). Comes before the frames that the new transport is to get.
    case streamTaken(StreamKey)
    /// This session is gone: calls that wait on it are answered `unknownSession`.
    case sessionEnded(SessionID)
    /// What ``LatchMachine/view(_:)`` shows of this latch has changed, or that there is one. Once
    /// for each latch and entry, right before the answer. In no digest.
    case changed(PrimitiveName)
}

/// The answer to one command.
package enum Answer: Hashable, Sendable {
    /// For entries nobody waits for: leaderElected, closeGap, expire.
    case done
    /// openSession: the id of the new session.
    case sessionOpened(SessionID)
    /// renew: one result for each renewal, in order: false is an unknown session.
    case renewed([Bool])
    /// closeSession, deletePrimitive: always succeed.
    case closed
    /// latch, leave, handOver, publish, evict: the state right after the command, and the index at
    /// which it was applied (Q1: on a retry the first one).
    case latched(LatchState, index: UInt64)
    /// openStream: frames not yet acknowledged, in order, OPEN_STREAM included (E4).
    case streamOpened(StreamKey, replay: [Frame])
    /// A numbered command waits for the ids before it. The answer comes as `.heldAnswer`.
    case held
    case refused(Rejection)
}

/// Why a command had no effect.
package enum Rejection: Hashable, Sendable {
    case unknownSession
    /// The request id was applied and its answer is no longer kept (Q2, L7).
    case alreadyAcknowledged
    /// The request id, or one before it, was given up when a gap was closed.
    case gap
    /// The same request id came before with other content (A12).
    case requestMismatch
    /// A bound of ``Limits`` is reached: the text says which. It is the final answer of its request
    /// id.
    case limit(String)
    /// As many commands wait for missing ids as the session may hold. Nothing is remembered of this
    /// one.
    case tooManyHeld
    /// The fencing token is not that of the grant that lasts, or the holder is of another session.
    case tokenMoved
    /// Nobody of that name waits (hand over) or is in the latch with that session (evict).
    case noSuchParticipant
    /// An operator named a latch that does not exist.
    case noSuchPrimitive
}

/// One frame of an Events stream. Response ids count 1, 2, 3 … in each stream (E2).
package struct Frame: Hashable, Sendable {
    package enum Content: Hashable, Sendable {
        case open
        case changed(LatchState)
        case close
    }
    package let responseID: UInt64
    /// The log index of the entry that caused it.
    package let index: UInt64
    package let content: Content

    package init(responseID: UInt64, index: UInt64, content: Content) {
        self.responseID = responseID
        self.index = index
        self.content = content
    }
}
