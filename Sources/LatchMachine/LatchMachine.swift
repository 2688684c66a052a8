import HashTreeCollections

/// Applies: sessions, latches and streams as a deterministic function of the log.
///
/// The same entries give the same state, outcomes and digest on every server: no clock, no
/// randomness, no hash order. Time is what the entries say.
package struct LatchMachine: Sendable {
    var state: ReplicatedState
    var expiry = ExpiryQueue()
    let limits: Limits

    /// An empty machine.
    ///
    /// - Parameter incarnation: the high 16 bits of every token and session id until an entry
    ///   raises them; higher after a restore of a backup, so that both grow although log indexes
    ///   went back.
    package init(incarnation: UInt16 = 0, limits: Limits = .standard) {
        state = ReplicatedState(incarnation: incarnation)
        self.limits = limits
    }

    init(_ state: ReplicatedState, _ expiry: ExpiryQueue, limits: Limits) {
        self.state = state
        self.expiry = expiry
        self.limits = limits
    }

    /// The high 16 bits of every fencing token and session id.
    package var incarnation: UInt16 { state.incarnation }
    /// The index of the last applied entry; 0 before the first.
    package var lastApplied: UInt64 { state.lastApplied }
    /// The log time reached, in milliseconds.
    package var logTimeMilliseconds: UInt64 { state.time.nowMilliseconds }
    /// A rolling digest over the index, content and outcomes of every entry applied since the
    /// beginning of the log. No-ops are not in it, nor entries that hold no record.
    package var digest: UInt64 { state.digest.value }
    /// Sessions that are open.
    package var sessionCount: Int { state.sessions.count }
    /// Primitives that exist.
    package var primitiveCount: Int { state.primitives.count }

    /// Passes over Raft no-ops and entries that hold no record, one or several, up to `index`.
    package mutating func skip(to index: UInt64) {
        precondition(index >= lastApplied, "State Machine Safety: entries are applied in order")
        state.lastApplied = index
    }

    /// Applies the entry at `index` and appends what it means for those who wait.
    ///
    /// Indexes ascend; those of entries that hold no record are left out or go to ``skip(to:)``.
    /// `raftTerm` is the entry's own.
    package mutating func apply(
        _ record: LogRecord, at index: UInt64, raftTerm: UInt64, into outcomes: inout [Outcome]
    ) {
        precondition(index > lastApplied, "State Machine Safety: entries are applied in order")
        state.lastApplied = index
        state.time.advance(to: record.logTimeMilliseconds)
        state.digest.fold(index)
        state.digest.fold(record)

        var step = Step(
            index: index, raftTerm: raftTerm, wallTimeMilliseconds: record.wallTimeMilliseconds)
        swap(&step.outcomes, &outcomes)
        let first = step.outcomes.count
        let answer = perform(record.command, &step)
        for position in first..<step.outcomes.count {
            state.digest.fold(step.outcomes[position])
        }
        state.digest.fold(.answer(answer))
        for name in step.changed { step.outcomes.append(.changed(name)) }
        step.outcomes.append(.answer(answer))
        swap(&step.outcomes, &outcomes)
    }

    /// What applying one entry has brought so far.
    struct Step {
        let index: UInt64
        let raftTerm: UInt64
        let wallTimeMilliseconds: UInt64
        var outcomes: [Outcome] = []
        /// Latches that show something else than before this entry.
        var changed: [PrimitiveName] = []
        /// The stream that this entry's own command opened: its answer comes last and replays all
        /// its frames, so none is sent before.
        var unansweredStream: StreamKey?

        /// Notes a change. One entry changes its latches one after the other.
        mutating func note(changeOf name: PrimitiveName) {
            if changed.last != name { changed.append(name) }
        }
    }

    private mutating func perform(_ command: Command, _ step: inout Step) -> Answer {
        switch command {
        case .leaderElected(let grace, let incarnation):
            state.time.beginGrace(milliseconds: grace)
            raise(to: incarnation, &step)
            return .done
        case .openSession(let name, let timeout):
            return openSession(name, timeoutMilliseconds: timeout, &step)
        case .renew(let renewals):
            return .renewed(renewals.map { renew($0, &step) })
        case .closeSession(let name, let session):
            if state.session(session, of: name) != nil { end([session], .closed, &step) }
            return .closed
        case .deletePrimitive(let name):
            deletePrimitive(name, &step)
            return .closed
        case .latch(let name, let session, let requestID, let participant):
            return sequence(
                .latch(.join(ExactText(participant))), name,
                StreamKey(session: session, stream: requestID), &step)
        case .openStream(let name, let session, let requestID, let index):
            return sequence(
                .openStream(index: index), name,
                StreamKey(session: session, stream: requestID), &step)
        case .closeGap(let session, let requestID):
            closeGap(session, upTo: requestID, &step)
            return .done
        case .expire(let expiries):
            end(expiries.filter(isDue).map(\.session).sorted(), .expired, &step)
            return .done
        case .leave(let name, let session, let requestID, let participant):
            return sequence(
                .latch(.leave(ExactText(participant))), name,
                StreamKey(session: session, stream: requestID), &step)
        case .handOver(let name, 0, 0, let token, let participant):
            return handOver(name, token: token, to: participant, &step).answer
        case .handOver(let name, let session, let requestID, let token, let participant):
            return sequence(
                .latch(.handOver(token: token, to: ExactText(participant))), name,
                StreamKey(session: session, stream: requestID), &step)
        case .publish(let name, let session, let requestID, let token, let value):
            return sequence(
                .latch(.publish(token: token, value: ExactText(value))), name,
                StreamKey(session: session, stream: requestID), &step)
        case .evict(let name, let participant, let session, let token):
            return evict(participant, of: session, from: name, token: token, &step).answer
        }
    }

    /// The entry as a ledger tells it.
    func moment(of step: Step) -> Moment {
        Moment(
            index: step.index, raftTerm: step.raftTerm,
            logTimeMilliseconds: state.time.nowMilliseconds,
            wallTimeMilliseconds: step.wallTimeMilliseconds,
            token: state.entryNumber(at: step.index))
    }
}
