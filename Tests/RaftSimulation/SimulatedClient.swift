import LatchMachine
import LatchNode
import RaftCore

/// A program that uses latches: it opens sessions, joins, watches, reads, renews, repeats a call
/// with the same request id through other nodes until it is answered, and sometimes just dies.
final class SimulatedClient {
    /// The latches that all clients share.
    static let names = ["a", "b", "c"].map { PrimitiveName(namespace: "sim", name: $0) }

    struct Call {
        let number: Int
        let request: Request
        var attempts = 0
        var retryAt: UInt64 = 0
        var lastNode: Int?
        /// Its place in the history.
        var operation: Int
    }

    /// One sending of a call.
    private struct Attempt {
        let call: Int
        let operation: Int
        let sentAt: UInt64
        /// What was committed then: a read must not be older (I18).
        let commitAtSending: UInt64
    }

    enum Request {
        case command(Command)
        case renew(Renewal)
        case read(ReadQuery)
    }

    let simulation: Simulation
    let number: Int
    var name = SimulatedClient.names[0]
    var session: SessionID?
    var timeoutMilliseconds: UInt64 = 0
    var nextRequestID: UInt64 = 1
    var answeredRequestID: UInt64 = 0
    var streams: [UInt64: ClientStream] = [:]
    /// The latch as an answer showed it last.
    var lastState = LatchState()
    private(set) var call: Call?
    private var callCount = 0
    /// True while this client has stopped for good: its session must expire.
    private var isSilent = false
    private var isGoneForGood = false
    private(set) var answered = 0
    /// The only server that it finds for now.
    var favourite: Int?

    init(_ simulation: Simulation, number: Int) {
        self.simulation = simulation
        self.number = number
    }

    // MARK: Time

    func schedule() {
        let range = simulation.options.clients.pauseMilliseconds
        let pause =
            favourite == nil
            ? simulation.generator.draw(from: range) : simulation.generator.draw(from: 2...15)
        simulation.time.after(pause) { [self] in
            schedule()
            tick()
        }
    }

    private func tick() {
        tendStreams()
        if simulation.areClientsStopped { return }
        let reads = favourite == nil ? simulation.options.clients.readPermille : 700
        if !isSilent, simulation.generator.happens(permille: reads) { readAside() }
        if let open = call {
            guard open.retryAt <= simulation.now else { return }
            if open.attempts > 25 { return giveUp() }
            return attempt()
        }
        if isSilent {
            if simulation.generator.happens(permille: 100) {
                isSilent = false
                forgetSession()
            }
            return
        }
        begin(nextRequest())
    }

    private func giveUp() {
        simulation.mark(.abandonedCall)
        call = nil
        forgetSession()
    }

    func forgetSession() {
        session = nil
        nextRequestID = 1
        answeredRequestID = 0
        streams = [:]
    }

    // MARK: What to do next

    private func nextRequest() -> Request {
        guard let session else {
            let count = simulation.options.clients.latchNames
            name = SimulatedClient.names[simulation.generator.below(count)]
            timeoutMilliseconds = simulation.generator.draw(
                from: simulation.options.clients.sessionTimeoutMilliseconds)
            return .command(.openSession(name, timeoutMilliseconds: timeoutMilliseconds))
        }
        if simulation.generator.happens(permille: simulation.options.clients.movePermille) {
            return .command(move(session))
        }
        let wish = simulation.generator.below(100)
        let mayLeave = simulation.generator.happens(
            permille: simulation.options.clients.leavePermille)
        switch wish {
        case 84..<97 where !mayLeave: return renewal(of: session)
        case 0..<36: return renewal(of: session)
        case 36..<66: return latch(session)
        case 66..<74:
            openStream(session)
            return renewal(of: session)
        case 74..<82:
            let isBehind = simulation.generator.happens(permille: 200)
            return .read(
                .get(
                    name, session, requestID: isBehind ? nextRequestID : answeredRequestID))
        case 82..<84:
            // A call that never left: its request id is missing for ever.
            _ = takeRequestID()
            return latch(session)
        case 84..<92: return .command(.closeSession(name, session))
        case 92..<94: return .command(.deletePrimitive(name))
        case 94..<97:
            isSilent = true
            simulation.mark(.abandonedSession)
            return renewal(of: session)
        default: return latch(session)
        }
    }

    private func openStream(_ session: SessionID) {
        let stream = takeRequestID()
        streams[stream] = ClientStream(
            seen: simulation.generator.happens(permille: 500) ? session : 0)
        tendStreams()
    }

    private func latch(_ session: SessionID) -> Request {
        if simulation.generator.happens(permille: simulation.options.clients.unsequencedPermille) {
            simulation.mark(.unsequenced)
            return .command(.latch(name, session, requestID: 0, participant: "u\(number)"))
        }
        let isShared = simulation.generator.happens(permille: 100)
        if isShared { simulation.mark(.sharedName) }
        let participant = isShared ? "shared" : "p\(number)-\(session)"
        return .command(
            .latch(name, session, requestID: takeRequestID(), participant: participant))
    }

    func takeRequestID() -> UInt64 {
        defer { nextRequestID += 1 }
        return nextRequestID
    }

    private func renewal(of session: SessionID) -> Request {
        if let cancelled = streams.keys.sorted().first,
            simulation.generator.happens(permille: 20)
        {
            streams[cancelled] = nil
        }
        let listed = streams.keys.sorted().compactMap { id in
            streams[id].map { StreamAcknowledgement(stream: id, responseID: $0.last) }
        }
        return .renew(
            Renewal(
                primitive: name, session: session, acknowledgedRequestID: answeredRequestID,
                streams: listed))
    }

    // MARK: Asking

    private func begin(_ request: Request) {
        callCount += 1
        let operation = note(request)
        call = Call(
            number: callCount, request: request, operation: operation)
        attempt()
    }

    private func note(_ request: Request) -> Int {
        let kind: History.Operation.Kind
        switch request {
        case .command(let command): kind = .command(command)
        case .renew(let renewal): kind = .renewal(renewal)
        case .read(.get(let name, let session, _)): kind = .get(name, session)
        case .read(.view(let name)): kind = .get(name, nil)
        case .read(.list), .read(.primitives): kind = .get(name, nil)
        }
        return simulation.history.begin(number, kind, at: simulation.now)
    }

    private func attempt() {
        guard var open = call else { return }
        open.attempts += 1
        if open.attempts > 1 { simulation.mark(.retriedCall) }
        // Applied twice it would mean something else: each attempt is a call of its own.
        if open.attempts > 1, !open.request.isRepeatable { open.operation = note(open.request) }
        // Once all is well they back off, as programs should: retries alone can be more than a
        // cluster takes in that writes one entry a round trip.
        let patience = simulation.areFaultsOver ? UInt64(open.attempts) : 1
        open.retryAt =
            simulation.now + patience
            * simulation.generator.draw(from: simulation.options.clients.retryMilliseconds)
        let stays = simulation.generator.happens(permille: 400)
        let target = stays ? open.lastNode : favourite
        let process =
            simulation.processes[target ?? simulation.generator.below(simulation.processes.count)]
        open.lastNode = process.position
        call = open
        simulation.trace.note(
            "client \(number) → \(process.id): \(open.request), attempt \(open.attempts)")
        let attempt = Attempt(
            call: open.number, operation: open.operation, sentAt: simulation.now,
            commitAtSending: simulation.observer.commitIndex.rawValue)
        simulation.submit(to: process) { sink in
            switch open.request {
            case .command(let command): .command(command, sink)
            case .renew(let renewal): .renew(renewal, sink)
            case .read(let query): .read(query, sink)
            }
        } answer: { [self] result in
            take(result, attempt, from: process)
        }
    }

    /// A read that nobody waits for: it is right, or it is not answered.
    private func readAside() {
        let query: ReadQuery
        switch simulation.generator.below(5) {
        case 0: query = .primitives(namespace: nil)
        case 1: query = .list(namespace: "sim", prefix: "", after: nil, limit: 10)
        default:
            query = .view(
                SimulatedClient.names[
                    simulation.generator.below(simulation.options.clients.latchNames)])
        }
        let commit = simulation.observer.commitIndex.rawValue
        var operation: Int?
        if case .view(let name) = query {
            operation = simulation.history.begin(
                1_000 + number, .get(name, nil), at: simulation.now)
        }
        let process =
            simulation.processes[
                favourite ?? simulation.generator.below(simulation.processes.count)]
        simulation.submit(to: process) {
            .read(query, $0)
        } answer: { [self] result in
            simulation.check { () throws(Violation) in
                try simulation.checkRead(result, of: query, notBefore: commit)
            }
            if let operation { simulation.noteRead(result, operation) }
            if case .view(name) = query, case .view(let view?, _) = result {
                lastState = view.state
            }
        }
    }

    // MARK: Answers

    private func take(
        _ result: NodeResult, _ attempt: Attempt, from process: SimulatedProcess
    ) {
        guard let open = call, open.number == attempt.call else {
            return simulation.mark(.staleAnswer)
        }
        simulation.trace.note("client \(number) < \(process.id): \(result)")
        if case .failed(let failure) = result {
            simulation.note(failure)
            call?.retryAt = simulation.now + simulation.generator.draw(from: 0...20)
            if failure == .gap { call = nil }
            return
        }
        call?.operation = attempt.operation
        if open.request.isAnsweredByAttempt {
            simulation.history.moveBegin(of: attempt.operation, to: attempt.sentAt)
        }
        switch result {
        case .answer(let answer, let index):
            // A repeated answer carries the index of the first.
            let place = if case .latched(_, let first) = answer { first } else { index }
            settle(.answer(answer), index: place, process)
            take(answer, of: open, attempt, index)
        case .renewed(let isAlive, _, _):
            settle(.renewed(isAlive), index: nil, process)
            if isAlive {
                confirm(attempt)
            } else {
                simulation.mark(.deniedRenewal)
                forgetSession()
            }
        case .latch, .unknownSession, .latches, .primitives, .view:
            call = nil
            guard case .read(let query) = open.request else { return }
            simulation.check { () throws(Violation) in
                try simulation.checkRead(result, of: query, notBefore: attempt.commitAtSending)
            }
            simulation.noteRead(result, attempt.operation)
            if case .unknownSession = result { forgetSession() }
        case .failed, .status, .localView:
            break
        }
        answered += 1
        simulation.mark(.answeredCall)
        if open.attempts > 1 { simulation.mark(.answeredAtSecondNode) }
    }

    private func settle(
        _ result: History.Operation.Result, index: UInt64?, _ process: SimulatedProcess
    ) {
        guard let open = call else { return }
        // An earlier attempt may have been applied: a refusal of a later one does not tell.
        // Unless it is the answer to all attempts, or this attempt is a call of its own.
        var isTold = true
        if open.attempts > 1, case .answer(.refused(let rejection)) = result {
            isTold = rejection.isDenial
        }
        if isTold {
            simulation.history.end(open.operation, result, index: index, at: simulation.now)
        }
        call = nil
    }

    private func confirm(_ attempt: Attempt) {
        guard let session else { return }
        // A leader's clock may run 5 % faster than the true one.
        let safe =
            timeoutMilliseconds * (simulation.options.areClocksDrifting ? 950 : 1_000) / 1_000
        simulation.check { () throws(Violation) in
            try simulation.truth.latches.noteConfirmed(session, safeUntil: attempt.sentAt + safe)
        }
    }

    private func take(_ answer: Answer, of open: Call, _ attempt: Attempt, _ index: UInt64) {
        guard case .command(let command) = open.request else { return }
        simulation.check { () throws(Violation) in
            try simulation.truth.latches.checkAnswer(answer, to: command, at: index)
            if case .latched(let state, let place) = answer, (command.requestID ?? 0) == 0 {
                try require(
                    simulation.truth.state(of: name, at: place) == state, "I12 exactly once",
                    "\(command) is answered with another state than \(place) has")
            }
        }
        switch answer {
        case .sessionOpened(let session):
            forgetSession()
            self.session = session
            simulation.mark(.openedSession)
            confirm(attempt)
            if simulation.generator.happens(permille: simulation.options.clients.watchPermille) {
                openStream(session)
            }
        case .closed:
            forgetSession()
        case .latched(let state, _):
            lastState = state
            noteAnswered(command.requestID)
        case .refused(.alreadyAcknowledged), .refused(.gap), .refused(.requestMismatch),
            .refused(.limit), .refused(.tokenMoved), .refused(.noSuchParticipant),
            .refused(.noSuchPrimitive):
            noteAnswered(command.requestID)
        case .refused(.unknownSession):
            simulation.mark(.unknownSession)
            forgetSession()
        case .done, .held, .renewed, .streamOpened, .refused(.tooManyHeld):
            break
        }
    }

    func noteAnswered(_ requestID: UInt64?) {
        answeredRequestID = max(answeredRequestID, requestID ?? 0)
    }
}

extension Rejection {
    /// Said of a command that was decided, whichever attempt of it was answered.
    fileprivate var isDenial: Bool {
        switch self {
        case .tokenMoved, .noSuchParticipant, .noSuchPrimitive: true
        case .unknownSession, .alreadyAcknowledged, .gap, .requestMismatch, .limit, .tooManyHeld:
            false
        }
    }
}

extension SimulatedClient.Request {
    /// Applying it twice has the effect of applying it once.
    fileprivate var isRepeatable: Bool {
        switch self {
        case .command(let command): command.mayBeAppliedTwice
        case .renew, .read: true
        }
    }

    /// Each attempt does its own work: what is answered was done after that attempt was sent. A
    /// call with a request id may be answered with what an earlier attempt did.
    fileprivate var isAnsweredByAttempt: Bool {
        switch self {
        case .command(.openSession), .renew, .read: true
        case .command: false
        }
    }
}

extension Command {
    fileprivate var requestID: UInt64? {
        switch self {
        case .latch(_, _, let requestID, _), .openStream(_, _, let requestID, _),
            .leave(_, _, let requestID, _), .handOver(_, _, let requestID, _, _),
            .publish(_, _, let requestID, _, _):
            requestID
        case .evict, .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive,
            .closeGap,
            .expire:
            nil
        }
    }
}
