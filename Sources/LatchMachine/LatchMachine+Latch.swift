import HashTreeCollections

/// What commands do to a latch (section 5): of sessions, and of operators.
extension LatchMachine {
    /// Applies a session's command to its latch and tells those who watch it.
    mutating func change(
        _ name: PrimitiveName, _ content: LatchCommand, of session: SessionID, _ step: inout Step
    ) -> CommandResult {
        let moment = moment(of: step)
        let end: TermEnd
        let effect: Primitive.Effect?
        switch content {
        case .join(let participant):
            effect = state.primitives[name]?.join(
                participant.text, of: session, at: moment, limits: limits)
        case .leave(let participant):
            end = TermEnd(cause: .resigned, idleSinceMilliseconds: state.time.nowMilliseconds)
            effect =
                remove(participant.text, of: session, from: name, end, at: moment)
                ?? .unchanged
        case .handOver(let token, let to):
            end = TermEnd(cause: .handedOver, idleSinceMilliseconds: state.time.nowMilliseconds)
            effect =
                holds(name, session, token)
                ? handOver(name, to: to.text, end, at: moment) : .refused(.tokenMoved)
        case .publish(let token, let value):
            effect =
                holds(name, session, token)
                ? state.primitives[name]?.publish(value.text) : .refused(.tokenMoved)
        }
        // A live session's primitive exists: `brokenInvariants` looks at that.
        return finish(effect ?? .refused(.unknownSession), name, &step)
    }

    /// An operator takes a participant out.
    mutating func evict(
        _ participant: String, of session: SessionID, from name: PrimitiveName, token: UInt64,
        _ step: inout Step
    ) -> CommandResult {
        guard let primitive = state.primitives[name] else { return .refused(.noSuchPrimitive) }
        guard token == 0 || primitive.isCurrent(token: token) else { return .refused(.tokenMoved) }
        let end = throwingOut(primitive, .evicted)
        let effect = remove(
            participant, of: session == 0 ? nil : session, from: name, end, at: moment(of: step))
        return finish(effect ?? .refused(.noSuchParticipant), name, &step)
    }

    /// An operator hands the latch over, over the head of its holder.
    mutating func handOver(
        _ name: PrimitiveName, token: UInt64, to participant: String, _ step: inout Step
    ) -> CommandResult {
        guard let primitive = state.primitives[name] else { return .refused(.noSuchPrimitive) }
        guard primitive.isCurrent(token: token) else { return .refused(.tokenMoved) }
        let end = throwingOut(primitive, .handedOver)
        return finish(handOver(name, to: participant, end, at: moment(of: step)), name, &step)
    }

    /// The end of a term of whose end the holder is told after the fact only.
    private func throwingOut(_ primitive: Primitive, _ cause: Cause) -> TermEnd {
        let session = primitive.owners.first.flatMap { state.sessions[$0] }
        return TermEnd(
            cause: cause, idleSinceMilliseconds: state.time.nowMilliseconds,
            believedUntilMilliseconds: session.map { state.time.effectiveDeadline(of: $0) } ?? 0)
    }

    /// Whether the session holds the latch under this token.
    private func holds(_ name: PrimitiveName, _ session: SessionID, _ token: UInt64) -> Bool {
        guard let primitive = state.primitives[name] else { return false }
        return primitive.isCurrent(token: token) && primitive.owners.first == session
    }

    /// Nil if there is no such participant.
    private mutating func remove(
        _ participant: String, of session: SessionID?, from name: PrimitiveName, _ end: TermEnd,
        at moment: Moment
    ) -> Primitive.Effect? {
        guard
            let position = state.primitives[name]?.position(of: participant, session: session)
        else { return nil }
        return state.primitives[name]?.remove(at: position, end, at: moment)
    }

    private mutating func handOver(
        _ name: PrimitiveName, to participant: String, _ end: TermEnd, at moment: Moment
    ) -> Primitive.Effect {
        guard let position = state.primitives[name]?.position(of: participant, from: 1) else {
            return .refused(.noSuchParticipant)
        }
        return state.primitives[name]?.handOver(to: position, end, at: moment)
            ?? .refused(.noSuchParticipant)
    }

    private mutating func finish(
        _ effect: Primitive.Effect, _ name: PrimitiveName, _ step: inout Step
    ) -> CommandResult {
        switch effect {
        case .changed: publishChange(of: name, &step)
        case .unchanged: break
        case .refused(let rejection): return .refused(rejection)
        }
        return .latched(state.primitives[name]?.latch ?? LatchState(), index: step.index)
    }
}
