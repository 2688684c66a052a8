extension RollingDigest {
    /// What the outcome says, a latch by its counters only: names come in by the records that bring
    /// them, so one entry costs its own size and not that of the latch it touches.
    mutating func fold(_ outcome: Outcome) {
        switch outcome {
        case .answer(let answer):
            fold(1 as UInt64)
            fold(answer)
        case .heldAnswer(let session, let requestID, let answer):
            fold(2 as UInt64)
            fold(session)
            fold(requestID)
            fold(answer)
        case .frame(let key, let frame):
            fold(3 as UInt64)
            fold(key)
            fold(frame)
        case .streamTaken(let key):
            fold(4 as UInt64)
            fold(key)
        case .sessionEnded(let session):
            fold(5 as UInt64)
            fold(session)
        // Follows from the entry itself.
        case .changed: break
        }
    }

    private mutating func fold(_ answer: Answer) {
        switch answer {
        case .done: fold(10 as UInt64)
        case .sessionOpened(let session):
            fold(11 as UInt64)
            fold(session)
        case .renewed(let results):
            fold(12 as UInt64)
            for result in results { fold(result) }
        case .closed: fold(13 as UInt64)
        case .latched(let state, let index):
            fold(14 as UInt64)
            fold(state)
            fold(index)
        case .streamOpened(let key, let replay):
            fold(15 as UInt64)
            fold(key)
            for frame in replay { fold(frame) }
        case .held: fold(16 as UInt64)
        case .refused(let rejection):
            fold(17 as UInt64)
            fold(rejection)
        }
    }

    private mutating func fold(_ rejection: Rejection) {
        switch rejection {
        case .unknownSession: fold(20 as UInt64)
        case .alreadyAcknowledged: fold(21 as UInt64)
        case .gap: fold(22 as UInt64)
        case .requestMismatch: fold(23 as UInt64)
        // Not its words: another version of this program may put it otherwise.
        case .limit: fold(24 as UInt64)
        case .tooManyHeld: fold(25 as UInt64)
        case .tokenMoved: fold(26 as UInt64)
        case .noSuchParticipant: fold(27 as UInt64)
        case .noSuchPrimitive: fold(28 as UInt64)
        }
    }

    private mutating func fold(_ frame: Frame) {
        fold(frame.responseID)
        fold(frame.index)
        switch frame.content {
        case .open: fold(30 as UInt64)
        case .changed(let state):
            fold(31 as UInt64)
            fold(state)
        case .close: fold(32 as UInt64)
        }
    }

    private mutating func fold(_ key: StreamKey) {
        fold(key.session)
        fold(key.stream)
    }

    private mutating func fold(_ state: LatchState) {
        fold(state.term)
        fold(state.fencingToken)
        fold(state.participants.count)
        fold(state.holder != nil)
    }
}
