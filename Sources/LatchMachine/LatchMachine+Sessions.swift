import HashTreeCollections

/// The life of sessions (section 3).
extension LatchMachine {
    /// Opens a session, and its primitive if that is new.
    mutating func openSession(
        _ name: PrimitiveName, timeoutMilliseconds: UInt64, _ step: inout Step
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
            step.note(changeOf: name)
        }
        let timeout = min(
            max(timeoutMilliseconds, Limits.minimumTimeoutMilliseconds),
            Limits.maximumTimeoutMilliseconds)
        let deadline = state.time.deadline(timeout: timeout)
        let id: SessionID = state.entryNumber(at: step.index)
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
    mutating func end(_ ids: [SessionID], _ cause: Cause, _ step: inout Step) {
        var ended: [Ended] = []
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
            let lastSign = session.deadlineMilliseconds.subtractingToZero(
                session.timeoutMilliseconds)
            ended.append(Ended(name: name, session: id, lastSignMilliseconds: lastSign))
        }
        if ended.count > 1 {
            ended.sort { $0.name == $1.name ? $0.session < $1.session : $0.name < $1.name }
        }
        passOn(ended, cause, &step)
    }

    /// A session that was removed.
    private struct Ended {
        let name: PrimitiveName
        let session: SessionID
        /// Log time of its opening or its last renewal.
        let lastSignMilliseconds: UInt64
    }

    /// Takes the participants of ended sessions, grouped by primitive, out of their latches.
    private mutating func passOn(_ ended: [Ended], _ cause: Cause, _ step: inout Step) {
        let moment = moment(of: step)
        var start = 0
        while start < ended.count {
            let name = ended[start].name
            let holder = state.primitives[name]?.owners.first
            var gone: [SessionID] = []
            var idleSince = moment.logTimeMilliseconds
            while start < ended.count, ended[start].name == name {
                gone.append(ended[start].session)
                if cause == .expired, ended[start].session == holder {
                    idleSince = ended[start].lastSignMilliseconds
                }
                start += 1
            }
            let changed = state.primitives[name]?.removeParticipants(
                of: gone, TermEnd(cause: cause, idleSinceMilliseconds: idleSince), at: moment)
            if changed == true { publishChange(of: name, &step) }
        }
    }

    /// Takes over the incarnation of a new leader's configuration. If that raises it, a backup was
    /// restored: the sessions in it are of a time before, their clients may have lost them since,
    /// and none may bring an old holder back.
    mutating func raise(to incarnation: UInt16, _ step: inout Step) {
        guard incarnation > state.incarnation else { return }
        state.incarnation = incarnation
        guard sessionCount > 0 else { return }
        let all = state.names.flatMap { name in
            state.primitives[name].map { Array($0.sessions) } ?? []
        }
        end(all.sorted(), .restored, &step)
    }

    /// Removes a primitive whoever asks, and ends its sessions (S10). A later Create starts anew.
    mutating func deletePrimitive(_ name: PrimitiveName, _ step: inout Step) {
        guard let primitive = state.primitives.removeValue(forKey: name) else { return }
        state.names.remove(name)
        step.note(changeOf: name)
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
