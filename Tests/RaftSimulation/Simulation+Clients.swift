import LatchMachine
import LatchNode
import RaftCore

// The way between clients and nodes, and what answers must be.

extension Simulation {
    /// Brings a request to a process, and its answer back, if neither is lost.
    func submit(
        to process: SimulatedProcess, _ request: @escaping (AnswerSink) -> NodeRequest,
        answer: @escaping (NodeResult) -> Void
    ) {
        time.after(generator.draw(from: 0...5)) { [self] in
            guard process.isAlive, let node = process.node, let edge = process.edge else { return }
            let sink = AnswerSink(loop: edge, onTwice: { [self] in failTwice() }) { [self] result in
                guard !losesReply() else { return }
                time.after(generator.draw(from: 0...5)) { answer(result) }
            }
            noteAsked(process)
            node.submit(request(sink))
            expectAnswer(on: sink, from: process)
        }
    }

    /// C17: a node that runs on tells every caller something by the call's deadline.
    private func expectAnswer(on sink: AnswerSink, from process: SimulatedProcess) {
        guard process.isRunning else { return }
        let (life, stops) = (process.life, process.stops)
        // Its clock may be 5 % slow, and the keep-alives of several clients are collected first.
        let bound = options.requestTimeoutMilliseconds * 106 / 100 + 200
        time.after(bound) { [self] in
            guard process.life == life, process.stops == stops, process.isRunning,
                !sink.isCompleted
            else { return }
            fail(
                Violation(
                    "C17 answered once", "\(process.id) has not answered a call for \(bound) ms"))
        }
    }

    func losesReply() -> Bool {
        guard !areFaultsOver, generator.happens(permille: options.clients.lostReplyPermille)
        else { return false }
        mark(.lostReply)
        return true
    }

    func failTwice() {
        fail(Violation("C17 answered once", "a call was answered twice"))
    }

    func note(_ failure: NodeFailure) {
        switch failure {
        case .noLeader: mark(.failedWithoutLeader)
        case .overloaded: mark(.failedOverloaded)
        case .outcomeUnknown: mark(.outcomeUnknown)
        case .gap: mark(.failedGap)
        case .shuttingDown: mark(.failedStopping)
        case .notUnderstood: fail(Violation("calls", "a node does not understand a command"))
        }
    }

    /// I18: a read is at least as new as everything committed when it was asked, and shows the
    /// state of the index it names.
    func checkRead(
        _ result: NodeResult, of query: ReadQuery, notBefore commit: UInt64
    ) throws(Violation) {
        switch (query, result) {
        case (.get(let name, _, _), .latch(let state, let index)):
            mark(.readInSession)
            try checkRead(name, state, index, commit)
        case (.get, .unknownSession):
            mark(.readOfUnknownSession)
        case (.list, .latches(let rows, let index)):
            mark(.readOfList)
            for name in SimulatedClient.names {
                let state = rows.first { $0.name == name }?.state
                try checkRead(name, state, index, commit)
            }
        case (_, .failed(let failure)):
            if failure == .noLeader { mark(.readExpired) }
        case (.view(let name), .view(let view, let index)):
            mark(.readOfLedger)
            try checkRead(name, view?.state, index, commit)
            try truth.check(view, of: name, at: index)
        case (.primitives, _), (.get, _), (.list, _), (.view, _):
            break
        }
    }

    private func checkRead(
        _ name: PrimitiveName, _ state: LatchState?, _ index: UInt64, _ commit: UInt64
    ) throws(Violation) {
        try require(
            index >= commit, "I18 no stale answer",
            "a read of \(name) shows \(index), \(commit) was committed before it")
        try require(
            index <= observer.commitIndex.rawValue, "I18 no stale answer",
            "a read of \(name) shows \(index), which nobody has committed")
        let truth = truth.state(of: name, at: index)
        try require(
            truth == state, "I18 no stale answer",
            "a read of \(name) at \(index) shows \(String(describing: state)), it was "
                + String(describing: truth))
    }

    func noteRead(_ result: NodeResult, _ operation: Int) {
        switch result {
        case .latch(let state, let index):
            history.end(operation, .state(state), index: index, at: now)
        case .unknownSession:
            history.end(operation, .unknownSession, index: nil, at: now)
        case .view(let view, let index):
            history.end(operation, .state(view?.state), index: index, at: now)
        case .answer, .renewed, .latches, .primitives, .status, .failed, .localView:
            break
        }
    }

    // MARK: Marks

    /// What an entry, applied for the first time, meant.
    func note(_ record: LogRecord, _ outcomes: [Outcome]) {
        switch record.command {
        case .leaderElected: mark(.graceEntry)
        case .renew(let renewals) where renewals.count > 1: mark(.renewedTogether)
        case .closeGap: mark(.closedGap)
        case .expire(let expiries) where expiries.count > 1: mark(.expiredMany)
        case .deletePrimitive: mark(.deletedPrimitive)
        case .leave: mark(.left)
        case .handOver, .publish, .evict: noteMove(record.command, outcomes.last)
        case .renew, .expire, .openSession, .closeSession, .latch, .openStream: break
        }
        if truth.ledgers.isFull { mark(.ledgerFull) }
        for outcome in outcomes { note(outcome, of: record.command) }
    }

    private func noteMove(_ command: Command, _ outcome: Outcome?) {
        guard case .answer(.latched) = outcome else { return }
        switch command {
        case .handOver(_, 0, _, _, _): mark(.handedOverByOperator)
        case .handOver: mark(.handedOver)
        case .publish: mark(.published)
        case .evict: mark(.evicted)
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .latch,
            .openStream, .closeGap, .expire, .leave:
            break
        }
    }

    private func note(_ outcome: Outcome, of command: Command) {
        switch outcome {
        case .answer(let answer):
            note(answer)
        case .heldAnswer(_, _, let answer):
            mark(.heldAnswer)
            note(answer)
        case .frame(_, let frame):
            if case .changed(let state) = frame.content, state.holder != nil {
                mark(.grantedToWaiter)
            }
            if case .close = frame.content, case .closeSession = command {
                mark(.closedWithSession)
            }
        case .sessionEnded:
            if case .expire = command { mark(.expiredSession) }
            if case .closeSession = command { mark(.closedHolder) }
        case .streamTaken, .changed:
            break
        }
    }

    private func note(_ answer: Answer) {
        switch answer {
        case .held: mark(.heldCommand)
        case .refused(.gap): mark(.voidedRequest)
        case .refused(.alreadyAcknowledged): mark(.alreadyAcknowledged)
        case .refused(.limit(let text)):
            if text.hasPrefix("participants") { mark(.participantLimit) }
            if text.hasPrefix("grants") { mark(.grantLimit) }
        case .refused(.tooManyHeld): mark(.heldLimit)
        case .refused(.tokenMoved): mark(.tokenMoved)
        case .refused(.noSuchParticipant), .refused(.noSuchPrimitive): mark(.handOverRefused)
        case .latched(let state, _):
            if Set(state.participants).count < state.participants.count { mark(.joinedTwice) }
        case .done, .sessionOpened, .renewed, .closed, .streamOpened, .refused(.unknownSession),
            .refused(.requestMismatch):
            break
        }
    }
}
