import LatchMachine

/// Knows what clients know, and notices when a promise to them is broken.
struct Observer {
    var broken: [String] = []
    private(set) var reached: Set<String> = []
    private(set) var lastOpened = PrimitiveName(namespace: "", name: "")

    private struct Life {
        let name: PrimitiveName
        let timeout: UInt64
        var refreshed: UInt64
        var isOver = false
    }

    /// A participant is compared by its bytes.
    private struct Call: Hashable {
        let session: SessionID
        let requestID: UInt64
    }

    private var lives: [SessionID: Life] = [:]
    private var answers: [Call: (participant: [UInt8], answer: Answer)] = [:]
    private var tokens: [PrimitiveName: (token: UInt64, term: UInt64)] = [:]
    private var frames: [StreamKey: [Frame]] = [:]
    private var closed: Set<StreamKey> = []
    private var electedAt: UInt64 = 0
    private var grace: UInt64 = 0
    private var incarnation: UInt16 = 3
    private var ledgers = LedgerObserver()

    mutating func observe(
        _ command: Command, _ outcomes: [Outcome], at index: UInt64, _ machine: LatchMachine
    ) {
        let now = machine.logTimeMilliseconds
        var calls: [(Call, [UInt8], Answer)] = []
        for outcome in outcomes {
            switch outcome {
            case .frame(let key, let frame): receive(frame, on: key, at: index)
            case .sessionEnded(let session): end(session, command, now, at: index)
            case .heldAnswer(let session, let requestID, let answer):
                reached.insert("held answer")
                calls.append((Call(session: session, requestID: requestID), [], answer))
                mark(answer, repeated: false)
                receiveReplay(answer, at: index)
            case .streamTaken, .changed: break
            case .answer(let answer):
                receiveReplay(answer, at: index)
                if let numbered = command.numbered {
                    let call = Call(session: numbered.session, requestID: numbered.requestID)
                    mark(answer, repeated: answers[call] != nil)
                    calls.append((call, numbered.content, answer))
                } else {
                    mark(answer, repeated: false)
                    noteLost(command, answer)
                }
            }
        }
        for (call, participant, answer) in calls { check(call, participant, answer, at: index) }
        ledgers.observe(command, outcomes, lives.mapValues(\.refreshed), at: index, machine)
        broken += ledgers.broken
        ledgers.broken = []
        reached.formUnion(ledgers.reached)
        follow(command, outcomes, now, at: index)
        if case .deletePrimitive(let name) = command, machine.latchState(name) != nil {
            broken.append("\(index): \(name) survived its deletion")
        }
        checkTokens(machine, at: index)
        for (session, life) in lives
        where machine.isOpen(session: session, of: life.name) == life.isOver {
            broken.append("\(index): session \(session) is open and ended, or neither (I15)")
        }
    }

    /// I12: one result for each request id.
    private mutating func check(
        _ call: Call, _ participant: [UInt8], _ answer: Answer, at index: UInt64
    ) {
        guard call.requestID != 0, case .latched = answer else { return }
        if let earlier = answers[call] {
            if earlier.answer != answer {
                broken.append("\(index): \(call) was answered twice, differently (I12)")
            }
            if !earlier.participant.isEmpty, !participant.isEmpty,
                earlier.participant != participant
            {
                broken.append("\(index): \(call) was answered for other content (A12)")
            }
        } else {
            answers[call] = (participant, answer)
        }
    }

    /// I14: a token grows whenever the holder is set, and never otherwise; deletion resets the term
    /// only.
    private mutating func checkTokens(_ machine: LatchMachine, at index: UInt64) {
        for name in machine.primitives(namespace: nil) {
            guard let state = machine.latchState(name) else { continue }
            let last = tokens[name] ?? (0, 0)
            if state.fencingToken != 0 {
                if state.fencingToken < last.token {
                    broken.append(
                        "\(index): \(name) went back to token \(state.fencingToken) (I14)")
                }
                if (state.term != last.term) != (state.fencingToken != last.token) {
                    // A deletion in between may bring the term back to the same number.
                    if state.fencingToken == last.token {
                        broken.append("\(index): \(name) has term \(state.term) with an old token")
                    } else if state.term != 1 {
                        broken.append("\(index): \(name) has a new token in an old term")
                    }
                }
                tokens[name] = (state.fencingToken, state.term)
            }
        }
    }

    /// E2, I17: response ids count without a gap, indexes never go back, nothing follows a CLOSE.
    private mutating func receive(_ frame: Frame, on key: StreamKey, at index: UInt64) {
        if closed.contains(key) { broken.append("\(index): a frame on closed \(key)") }
        let last = frames[key]?.last
        if frame.responseID != (last?.responseID ?? 0) + 1 {
            broken.append("\(index): \(key) jumps to \(frame.responseID) (E2)")
        }
        if let last, frame.index < last.index {
            broken.append("\(index): \(key) goes back to index \(frame.index) (I17)")
        }
        frames[key, default: []].append(frame)
        if frame.content == .close {
            closed.insert(key)
            reached.insert("close frame")
        }
    }

    /// L20: a stream that the ring has left behind ends with its reopening, for good.
    private mutating func noteLost(_ command: Command, _ answer: Answer) {
        guard case .openStream(_, let session, let requestID, _) = command,
            answer == .refused(.alreadyAcknowledged)
        else { return }
        let key = StreamKey(session: session, stream: requestID)
        guard frames[key] != nil, closed.insert(key).inserted else { return }
        reached.insert("lagged")
    }

    /// E4: a replay says again what was said, and perhaps goes on.
    private mutating func receiveReplay(_ answer: Answer, at index: UInt64) {
        guard case .streamOpened(let key, let replay) = answer else { return }
        for frame in replay {
            let known = frames[key] ?? []
            if frame.responseID <= UInt64(known.count) {
                reached.insert("replay")
                if known[Int(frame.responseID) - 1] != frame {
                    broken.append("\(index): \(key) replays another \(frame.responseID) (E4)")
                }
            } else {
                if frame.responseID == 2, frame.index == frames[key]?.first?.index {
                    reached.insert("initial")
                }
                receive(frame, on: key, at: index)
            }
        }
    }

    /// S5, S7, I16: no session expires within its timeout, nor within the grace.
    private mutating func end(
        _ session: SessionID, _ command: Command, _ now: UInt64, at index: UInt64
    ) {
        guard let life = lives[session], !life.isOver else {
            broken.append("\(index): session \(session) ends without having begun (I15)")
            return
        }
        lives[session]?.isOver = true
        switch command {
        case .expire:
            reached.insert("expired")
            let spared = electedAt + min(grace, life.timeout)
            if now <= life.refreshed + life.timeout || now <= spared {
                broken.append("\(index): session \(session) expired early (I16)")
            }
        case .deletePrimitive: reached.insert("deleted")
        case .closeSession: break
        case .leaderElected(_, let raised) where raised > incarnation: reached.insert("restored")
        case .leaderElected, .openSession, .renew, .latch, .openStream, .closeGap, .leave,
            .handOver, .publish, .evict:
            broken.append("\(index): session \(session) ended by \(command)")
        }
    }

    private mutating func follow(
        _ command: Command, _ outcomes: [Outcome], _ now: UInt64, at index: UInt64
    ) {
        switch command {
        case .leaderElected(let grace, let raised):
            (electedAt, self.grace) = (now, grace)
            incarnation = max(incarnation, raised)
        case .openSession(let name, let timeout):
            let id = UInt64(incarnation) << 48 | index
            guard outcomes.last == .answer(.sessionOpened(id)) else { return }
            lastOpened = name
            lives[id] = Life(name: name, timeout: timeout, refreshed: now)
        case .renew(let renewals):
            guard case .answer(.renewed(let alive))? = outcomes.last else { return }
            for (renewal, alive) in zip(renewals, alive) where alive {
                lives[renewal.session]?.refreshed = now
            }
        case .closeSession, .deletePrimitive, .latch, .openStream, .closeGap, .expire, .leave,
            .handOver, .publish, .evict:
            break
        }
    }

    private mutating func mark(_ answer: Answer, repeated: Bool) {
        switch answer {
        case .held: reached.insert("held")
        case .latched: if repeated { reached.insert("stored answer") }
        case .refused(let rejection):
            switch rejection {
            case .gap: reached.insert("gap")
            case .requestMismatch: reached.insert("mismatch")
            case .alreadyAcknowledged: reached.insert("acknowledged")
            case .unknownSession: reached.insert("unknown")
            case .limit: reached.insert("limit")
            case .tooManyHeld: reached.insert("too many held")
            case .tokenMoved: reached.insert("token moved")
            case .noSuchParticipant: reached.insert("no such participant")
            case .noSuchPrimitive: reached.insert("no such primitive")
            }
        case .done, .sessionOpened, .renewed, .closed, .streamOpened: break
        }
    }
}
