import HashTreeCollections

/// Events streams (section 8).
extension LatchMachine {
    /// Opens a stream, or says why not.
    mutating func openStream(
        _ key: StreamKey, of name: PrimitiveName, seenIndex: UInt64, _ step: inout Step
    ) -> Rejection? {
        guard let session = state.sessions[key.session], let primitive = state.primitives[name]
        else { return .unknownSession }
        guard session.streams.count < limits.streamsPerSession else {
            return .limit("streams: a session has at most \(limits.streamsPerSession)")
        }
        // Decided rule 4: a client that asks after its Latch was answered learns of a promotion in
        // between; one that saw the latest state does not get it twice.
        let changedSince = primitive.ring.newest.map { $0.index > seenIndex } ?? false
        let stream = EventStream(
            id: key.stream, openIndex: step.index, baseEvent: primitive.ring.newestNumber,
            hasInitial: changedSince || primitive.owners.first == key.session)
        // Ids ascend: the session's newest command opens its newest stream.
        state.sessions[key.session]?.streams.append(stream)
        state.primitives[name]?.cursors.insert(StreamCursor(key: key, offset: stream.offset))
        step.outcomes.append(.streamTaken(key))
        return nil
    }

    /// The answer to an Events call: every frame not yet acknowledged (E4). If the ring has lost
    /// one of them the stream ends here, with a refusal: never a silent gap (E8, L20). Its id is
    /// spent, as that of any command whose answer is gone (Q2): the client opens a new stream.
    mutating func replay(_ key: StreamKey, of name: PrimitiveName) -> Answer {
        let session = state.sessions[key.session]
        if let position = session?.streamPosition(of: key.stream),
            let acknowledged = session?.streams[position].acknowledgedResponseID,
            let frames = frames(of: key, after: acknowledged)
        {
            return .streamOpened(key, replay: frames)
        }
        removeStream(key, of: name)
        return .refused(.alreadyAcknowledged)
    }

    /// Every frame of a stream after `responseID`, in order; none if it has them all. Nil if there
    /// is no such stream or the latch's ring no longer has them.
    package func frames(of stream: StreamKey, after responseID: UInt64) -> [Frame]? {
        guard let session = state.sessions[stream.session],
            let position = session.streamPosition(of: stream.stream),
            let ring = state.primitives[session.primitive]?.ring
        else { return nil }
        return session.streams[position].frames(after: responseID, in: ring)
    }

    /// The response id of the last frame of a stream so far; nil if there is no such stream.
    package func lastResponseID(of stream: StreamKey) -> UInt64? {
        guard let session = state.sessions[stream.session],
            let position = session.streamPosition(of: stream.stream),
            let ring = state.primitives[session.primitive]?.ring
        else { return nil }
        return session.streams[position].lastResponseID(newestEvent: ring.newestNumber)
    }

    /// Notes how far a client has received a stream. Ids that are no streams are ignored (Q6), and
    /// nobody acknowledges what was not sent.
    mutating func acknowledge(
        _ listed: StreamAcknowledgement, in id: SessionID, of name: PrimitiveName
    ) {
        guard let session = state.sessions[id], let ring = state.primitives[name]?.ring,
            let position = session.streamPosition(of: listed.stream)
        else { return }
        let stream = session.streams[position]
        let last = stream.lastResponseID(newestEvent: ring.newestNumber)
        let acknowledged = max(stream.acknowledgedResponseID, min(listed.responseID, last))
        guard acknowledged > stream.acknowledgedResponseID else { return }
        state.sessions[id]?.streams[position].acknowledgedResponseID = acknowledged
    }

    /// Ends a stream with CLOSE, next in its numbering (E5).
    mutating func closeStream(
        _ key: StreamKey, of name: PrimitiveName, _ step: inout Step
    ) {
        guard let stream = removeStream(key, of: name),
            let newestEvent = state.primitives[name]?.ring.newestNumber
        else { return }
        let last = stream.lastResponseID(newestEvent: newestEvent)
        let frame = Frame(responseID: last &+ 1, index: step.index, content: .close)
        step.outcomes.append(.frame(key, frame))
    }

    @discardableResult
    private mutating func removeStream(
        _ key: StreamKey, of name: PrimitiveName
    ) -> EventStream? {
        guard let position = state.sessions[key.session]?.streamPosition(of: key.stream),
            let stream = state.sessions[key.session]?.streams.remove(at: position)
        else { return nil }
        state.primitives[name]?.cursors.remove(StreamCursor(key: key, offset: stream.offset))
        return stream
    }

    /// Records the latch's state as one event and sends it on every stream, ascending.
    mutating func publishChange(of name: PrimitiveName, _ step: inout Step) {
        state.primitives[name]?.recordChange(at: step.index, limits: limits)
        step.note(changeOf: name)
        guard let primitive = state.primitives[name], !primitive.cursors.isEmpty else { return }
        let newest = primitive.ring.newestNumber
        for cursor in primitive.cursors where cursor.key != step.unansweredStream {
            let frame = Frame(
                responseID: newest &+ cursor.offset, index: step.index,
                content: .changed(primitive.latch))
            step.outcomes.append(.frame(cursor.key, frame))
        }
    }
}
