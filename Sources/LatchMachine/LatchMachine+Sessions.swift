import HashTreeCollections

/// The life of sessions (section 3).
extension LatchMachine {
    /// Opens a session, and its primitive if that is new. The session's id is the entry's index.
    mutating func openSession(
        _ name: PrimitiveName, timeoutMilliseconds: UInt64, _ step: Step
    ) -> Answer {
        guard sessionCount < limits.sessions else {
            return .refused(.limit("sessions: there are \(limits.sessions) at most"))
        }
        if state.primitives[name] == nil {
            guard primitiveCount < limits.primitives else {
                return .refused(.limit("primitives: there are \(limits.primitives) at most"))
            }
            state.primitives[name] = Primitive()
            state.names.insert(name)
        }
        let timeout = min(
            max(timeoutMilliseconds, Limits.minimumTimeoutMilliseconds),
            Limits.maximumTimeoutMilliseconds)
        let deadline = state.time.deadline(timeout: timeout)
        let id: SessionID = step.index
        state.sessions[id] = Session(
            primitive: name, timeoutMilliseconds: timeout, deadlineMilliseconds: deadline)
        state.primitives[name]?.sessions.insert(id)
        expiry.insert(id, deadlineMilliseconds: deadline)
        return .sessionOpened(id)
    }

    /// Applies one keep-alive; false if the session is unknown.
    mutating func renew(_ renewal: Renewal, _ step: inout Step) -> Bool {
        let id = renewal.session
        guard let session = state.session(id, of: renewal.primitive) else { return false }
        let deadline = state.time.deadline(timeout: session.timeoutMilliseconds)
        state.sessions[id]?.renew(
            deadlineMilliseconds: deadline, acknowledged: renewal.acknowledgedRequestID)
        guard !session.streams.isEmpty else { return true }
        for listed in renewal.streams { acknowledge(listed, in: id, of: renewal.primitive) }
        // E5: a client cancels a watch by not listing it. One opened later it does not know yet.
        for stream in session.streams where stream.id <= renewal.acknowledgedRequestID {
            if renewal.streams.contains(where: { $0.stream == stream.id }) { continue }
            closeStream(StreamKey(session: id, stream: stream.id), of: renewal.primitive, &step)
        }
        return true
    }

    /// Ends sessions, given ascending; unknown ones are passed over.
    ///
    /// All are removed first, then each latch that lost participants passes on once (Clarified c).
    /// Order of outcomes (S8): each session's CLOSE frames and its end, then CHANGED on the others.
    mutating func end(_ ids: [SessionID], _ step: inout Step) {
        var ended: [(name: PrimitiveName, session: SessionID)] = []
        for id in ids {
            guard let session = state.sessions.removeValue(forKey: id) else { continue }
            let name = session.primitive
            expiry.remove(id, deadlineMilliseconds: session.queuedDeadlineMilliseconds)
            closeAllStreams(
                of: session, id, newestEvent: state.primitives[name]?.ring.newestNumber ?? 0,
                &step)
            state.primitives[name]?.sessions.remove(id)
            for stream in session.streams {
                let key = StreamKey(session: id, stream: stream.id)
                state.primitives[name]?.cursors.remove(
                    StreamCursor(key: key, offset: stream.offset))
            }
            ended.append((name, id))
        }
        if ended.count > 1 {
            ended.sort { $0.name == $1.name ? $0.session < $1.session : $0.name < $1.name }
        }
        passOn(ended, &step)
    }

    /// Takes the participants of ended sessions, grouped by primitive, out of their latches.
    private mutating func passOn(
        _ ended: [(name: PrimitiveName, session: SessionID)], _ step: inout Step
    ) {
        let token = state.fencingToken(at: step.index)
        var start = 0
        while start < ended.count {
            let name = ended[start].name
            var gone: [SessionID] = []
            while start < ended.count, ended[start].name == name {
                gone.append(ended[start].session)
                start += 1
            }
            let changed = state.primitives[name]?.removeParticipants(of: gone, token: token)
            if changed == true { publishChange(of: name, &step) }
        }
    }

    /// Removes a primitive whoever asks, and ends its sessions (S10). A later Create starts anew.
    mutating func deletePrimitive(_ name: PrimitiveName, _ step: inout Step) {
        guard let primitive = state.primitives.removeValue(forKey: name) else { return }
        state.names.remove(name)
        for id in primitive.sessions {
            guard let session = state.sessions.removeValue(forKey: id) else { continue }
            expiry.remove(id, deadlineMilliseconds: session.queuedDeadlineMilliseconds)
            closeAllStreams(of: session, id, newestEvent: primitive.ring.newestNumber, &step)
        }
    }

    /// CLOSE on each stream, next in its numbering, then the end of the session.
    private func closeAllStreams(
        of session: Session, _ id: SessionID, newestEvent: UInt64, _ step: inout Step
    ) {
        for stream in session.streams {
            let last = stream.lastResponseID(newestEvent: newestEvent)
            let frame = Frame(responseID: last &+ 1, index: step.index, content: .close)
            step.outcomes.append(.frame(StreamKey(session: id, stream: stream.id), frame))
        }
        step.outcomes.append(.sessionEnded(id))
    }
}
