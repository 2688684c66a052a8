import HashTreeCollections

/// Sequenced commands, each applied once (section 4).
extension LatchMachine {
    /// Takes a command in: applies it, holds it, or answers it as before.
    ///
    /// `key.stream` is its request id.
    mutating func sequence(
        _ content: CommandContent, _ name: PrimitiveName, _ key: StreamKey, _ step: inout Step
    ) -> Answer {
        guard let session = state.session(key.session, of: name) else {
            return .refused(.unknownSession)
        }
        let requestID = key.stream
        if requestID == 0 { return performUnsequenced(content, name, key, &step) }
        switch session.sequence(requestID, content, limits: limits) {
        case .answered(let answer):
            return answer
        case .refuse(let rejection):
            return .refused(rejection)
        case .hold(let isNew):
            if isNew { state.sessions[key.session]?.hold(requestID, content) }
            return .held
        case .reopen:
            step.outcomes.append(.streamTaken(key))
            return replay(key, of: name)
        case .apply:
            // A stream opened here is answered below, with all that the entry brings it.
            if case .openStream = content { step.unansweredStream = key }
            let answer = perform(content, name, key, &step)
            releaseHeld(of: key.session, name, &step)
            if case .streamOpened = answer { return replay(key, of: name) }
            return answer
        }
    }

    /// Closes a gap: missing and held ids up to `requestID` are void, what follows goes on.
    mutating func closeGap(
        _ id: SessionID, upTo requestID: UInt64, _ step: inout Step
    ) {
        guard let name = state.sessions[id]?.primitive else { return }
        for voided in state.sessions[id]?.closeGap(upTo: requestID) ?? [] {
            step.outcomes.append(.heldAnswer(id, requestID: voided, .refused(.gap)))
        }
        releaseHeld(of: id, name, &step)
    }

    /// Applies the held commands that are next now, in order, at this entry's index (Q1, Q3).
    private mutating func releaseHeld(
        of id: SessionID, _ name: PrimitiveName, _ step: inout Step
    ) {
        while let held = state.sessions[id]?.takeNextHeld() {
            let key = StreamKey(session: id, stream: held.requestID)
            let answer = perform(held.content, name, key, &step)
            step.outcomes.append(.heldAnswer(id, requestID: held.requestID, answer))
        }
    }

    /// Q4: request id 0 is applied at once and not remembered. A stream needs its id as a name.
    private mutating func performUnsequenced(
        _ content: CommandContent, _ name: PrimitiveName, _ key: StreamKey, _ step: inout Step
    ) -> Answer {
        switch content {
        case .latch(let command):
            return change(name, command, of: key.session, &step).answer
        case .openStream:
            return .refused(.limit("request id: a stream needs one, counted from 1"))
        }
    }

    /// Applies the session's next command and remembers its answer, a refusal too: were it tried
    /// again under its id, a copy that comes late could join the latch behind the client's back.
    private mutating func perform(
        _ content: CommandContent, _ name: PrimitiveName, _ key: StreamKey, _ step: inout Step
    ) -> Answer {
        state.sessions[key.session]?.lastRequestID = key.stream
        let stored: StoredAnswer
        switch content {
        case .latch(let command):
            let result = change(name, command, of: key.session, &step)
            stored = StoredAnswer(requestID: key.stream, content: content, result: result)
        case .openStream(let seen):
            if let rejection = openStream(key, of: name, seenIndex: seen, &step) {
                stored = StoredAnswer(
                    requestID: key.stream, content: content, result: .refused(rejection))
            } else {
                return replay(key, of: name)
            }
        }
        state.sessions[key.session]?.store(stored, limits: limits)
        return stored.answer
    }
}

extension CommandResult {
    /// The answer to a caller.
    var answer: Answer {
        switch self {
        case .latched(let state, let index): .latched(state, index: index)
        case .refused(let rejection): .refused(rejection)
        }
    }
}
