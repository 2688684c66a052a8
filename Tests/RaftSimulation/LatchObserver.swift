import LatchMachine

/// Follows the one history of applied entries and holds every outcome against what users were
/// promised.
struct LatchObserver: Sendable {
    private struct Session {
        let primitive: PrimitiveName
        var isOpen = true
        /// When it expired.
        var expiredAt: UInt64?
        /// True time before which no expiry may end it (I16): from sending the last confirmed
        /// keep-alive.
        var safeUntil: UInt64
    }

    private enum Answered: Equatable {
        case state(LatchState, index: UInt64)
        case denied(Rejection)

        /// Nil for answers that another attempt need not get.
        init?(_ answer: Answer) {
            switch answer {
            case .latched(let state, let index): self = .state(state, index: index)
            case .refused(let rejection):
                switch rejection {
                case .tokenMoved, .noSuchParticipant: self = .denied(rejection)
                case .unknownSession, .alreadyAcknowledged, .gap, .requestMismatch, .limit,
                    .tooManyHeld, .noSuchPrimitive:
                    return nil
                }
            case .done, .sessionOpened, .renewed, .closed, .streamOpened, .held: return nil
            }
        }
    }

    private var sessions: [SessionID: Session] = [:]
    /// The first answer to each command (I12). The key is session and request id.
    private var answers: [StreamKey: Answered] = [:]
    private var highestToken: [PrimitiveName: UInt64] = [:]
    /// Who joined under each name. Names are not unique.
    private var joined: [PrimitiveName: [String: [SessionID]]] = [:]
    private var lastFrame: [StreamKey: UInt64] = [:]
    private(set) var expiredCount = 0
    private(set) var repeatedAnswerCount = 0

    /// A keep-alive (or the opening) of `session`, sent at true time `sent`, was confirmed to its
    /// client.
    mutating func noteConfirmed(_ session: SessionID, safeUntil: UInt64) throws(Violation) {
        guard let known = sessions[session] else { return }
        sessions[session]?.safeUntil = max(known.safeUntil, safeUntil)
        // The answer may come when all is over.
        try checkExpiry(of: session)
    }

    /// I16, as soon as both are known: when it expired, and until when its client was safe.
    private func checkExpiry(of session: SessionID) throws(Violation) {
        guard let known = sessions[session], let expiredAt = known.expiredAt else { return }
        try require(
            expiredAt >= known.safeUntil, "I16 never early",
            "session \(session) expired at \(expiredAt), its client is safe until "
                + "\(known.safeUntil)")
    }

    /// True time until which a client certainly believes that its session lives.
    func safeUntil(_ session: SessionID) -> UInt64 { sessions[session]?.safeUntil ?? 0 }

    /// A node's answer to a client is the one that the log gives (I12).
    func checkAnswer(
        _ answer: Answer, to command: Command, at index: UInt64
    ) throws(Violation) {
        guard let key = command.latchRequest, key.stream > 0, let answered = Answered(answer)
        else { return }
        try require(
            answers[key] == answered, "I12 exactly once",
            "request \(key.stream) of session \(key.session) is answered with \(answered), the log "
                + "says otherwise")
    }

    /// Sessions that nobody has ended yet.
    var openCount: Int { sessions.values.filter(\.isOpen).count }

    /// An index is applied for the first time anywhere.
    mutating func note(
        _ record: LogRecord, at index: UInt64, outcomes: [Outcome], machine: LatchMachine,
        now: UInt64
    ) throws(Violation) {
        var touched: [PrimitiveName] = []
        switch record.command {
        case .latch(let name, _, _, _), .deletePrimitive(let name), .closeSession(let name, _),
            .leave(let name, _, _, _), .handOver(let name, _, _, _, _),
            .publish(let name, _, _, _, _), .evict(let name, _, _, _):
            touched.append(name)
        case .openSession(let name, _):
            noteOpening(of: name, at: index)
        case .leaderElected, .renew, .openStream, .closeGap, .expire:
            break
        }
        if case .latch(let name, let session, _, let participant) = record.command {
            joined[name, default: [:]][participant, default: []].append(session)
        }
        for outcome in outcomes {
            try note(outcome, of: record, at: index, now: now, touched: &touched)
        }
        for name in touched { try checkLatch(name, at: index, machine) }
    }

    private mutating func noteOpening(of name: PrimitiveName, at index: UInt64) {
        guard sessions[index] == nil else { return }
        sessions[index] = Session(primitive: name, safeUntil: 0)
    }

    private mutating func note(
        _ outcome: Outcome, of record: LogRecord, at index: UInt64, now: UInt64,
        touched: inout [PrimitiveName]
    ) throws(Violation) {
        switch outcome {
        case .answer(let answer):
            try note(answer, to: record.command, at: index)
        case .heldAnswer(let session, let requestID, let answer):
            try noteCommand(answer, StreamKey(session: session, stream: requestID), at: index)
            if let name = sessions[session]?.primitive { touched.append(name) }
        case .frame(let key, let frame):
            let last = lastFrame[key] ?? 0
            try require(
                frame.responseID <= last + 1, "I17 event streams",
                "\(key) jumps from frame \(last) to \(frame.responseID)")
            lastFrame[key] = max(last, frame.responseID)
        case .streamTaken, .changed:
            break
        case .sessionEnded(let session):
            try noteEnd(of: session, by: record.command, now: now)
            if let name = sessions[session]?.primitive { touched.append(name) }
        }
    }

    private mutating func note(
        _ answer: Answer, to command: Command, at index: UInt64
    ) throws(Violation) {
        switch (command, answer) {
        case (.openSession, .sessionOpened(let session)):
            try require(
                session == index, "I15 sessions", "session \(session) was opened by entry \(index)")
        case (.openSession, _):
            sessions[index] = nil
        case (.latch, _), (.leave, _), (.handOver, _), (.publish, _), (.evict, _):
            if let key = command.latchRequest { try noteCommand(answer, key, at: index) }
        case (.openStream(_, let session, let requestID, _), _):
            try noteCommand(answer, StreamKey(session: session, stream: requestID), at: index)
        case (.renew(let renewals), .renewed(let results)):
            for (renewal, isOpen) in zip(renewals, results) where isOpen {
                try require(
                    sessions[renewal.session]?.isOpen == true, "I15 sessions",
                    "session \(renewal.session) was renewed at \(index), but it is not open")
            }
        case (.leaderElected, _), (.closeSession, _), (.deletePrimitive, _), (.closeGap, _),
            (.expire, _), (.renew, _):
            break
        }
    }

    private mutating func noteCommand(
        _ answer: Answer, _ key: StreamKey, at index: UInt64
    ) throws(Violation) {
        switch answer {
        case .refused:
            guard key.stream > 0, let answered = Answered(answer) else { return }
            if let first = answers[key] {
                try require(
                    first == answered, "I12 exactly once",
                    "request \(key.stream) of session \(key.session) was answered \(first), and "
                        + "otherwise at \(index)")
            }
            answers[key] = answered
        case .latched(let state, let answeredIndex):
            let isFirst = answeredIndex == index
            if isFirst {
                try require(
                    sessions[key.session]?.isOpen == true, "I15 sessions",
                    "a command of session \(key.session) was applied at \(index); it is not open")
            }
            guard key.stream > 0 else { return }
            let answered = Answered.state(state, index: answeredIndex)
            if let first = answers[key] {
                try require(
                    first == answered, "I12 exactly once",
                    "request \(key.stream) of session \(key.session) was answered "
                        + "\(first), and otherwise at \(index)")
                repeatedAnswerCount += 1
            } else {
                try require(
                    isFirst, "I12 exactly once", "\(index) repeats an answer that was never given")
                answers[key] = answered
            }
        case .streamOpened(let stream, let replay):
            // The frames of the opening entry itself come in this answer only.
            let last = replay.last?.responseID ?? 0
            lastFrame[stream] = max(lastFrame[stream] ?? 0, last)
        case .done, .sessionOpened, .renewed, .closed, .held:
            break
        }
    }

    private mutating func noteEnd(
        of session: SessionID, by command: Command, now: UInt64
    ) throws(Violation) {
        guard let known = sessions[session], known.isOpen else {
            throw Violation("I15 sessions", "session \(session) ends, but it is not open")
        }
        sessions[session]?.isOpen = false
        if case .expire = command {
            expiredCount += 1
            sessions[session]?.expiredAt = now
            try checkExpiry(of: session)
        }
    }

    /// I13 and I14: at most one holder, the oldest of the live; tokens only grow.
    private mutating func checkLatch(
        _ name: PrimitiveName, at index: UInt64, _ machine: LatchMachine
    ) throws(Violation) {
        guard let state = machine.latchState(name) else { return }
        try require(
            state.holder == state.participants.first, "I13 one holder",
            "\(name) at \(index): \(String(describing: state.holder)) holds, "
                + "\(state.participants) take part")
        for participant in state.participants {
            let owners = joined[name]?[participant] ?? []
            try require(
                owners.contains { sessions[$0]?.isOpen == true }, "I13 one holder",
                "\(participant) takes part in \(name) at \(index), its session is gone")
        }
        let highest = highestToken[name] ?? 0
        guard state.fencingToken != highest, state.fencingToken != 0 else { return }
        try require(
            state.fencingToken > highest, "I14 fencing tokens",
            "\(name) at \(index): token \(state.fencingToken) after \(highest)")
        try require(
            state.fencingToken & 0xFFFF_FFFF_FFFF == index, "I14 fencing tokens",
            "\(name) at \(index): token \(state.fencingToken)")
        highestToken[name] = state.fencingToken
    }
}

extension Command {
    /// The session and request id of a command to a latch; nil for others, and for operators'.
    fileprivate var latchRequest: StreamKey? {
        switch self {
        case .handOver(_, 0, _, _, _): nil
        case .latch(_, let session, let request, _), .leave(_, let session, let request, _),
            .handOver(_, let session, let request, _, _),
            .publish(_, let session, let request, _, _):
            StreamKey(session: session, stream: request)
        case .evict, .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive,
            .openStream, .closeGap, .expire:
            nil
        }
    }
}
