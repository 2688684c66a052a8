extension Partition {
    /// The history, latch by latch, in order of first use.
    static func split(_ history: [ClientOperation], tolerance: UInt64) -> [Partition] {
        var numbers: [String: Int] = [:]
        var builders: [PartitionBuilder] = []
        for (position, operation) in history.enumerated() {
            let latch = operation.call.latch
            let number = numbers[latch] ?? builders.count
            if number == builders.count {
                numbers[latch] = number
                builders.append(PartitionBuilder(latch: latch, tolerance: tolerance))
            }
            builders[number].add(operation, at: position)
        }
        return builders.map { $0.finished() }
    }
}

/// Gathers one latch's operations.
private struct PartitionBuilder {
    /// All attempts of one sequenced command.
    private struct Command {
        let move: Move
        let requestID: UInt64
        /// The first attempt's.
        var invoked: UInt64
        /// The first answer's.
        var returned: UInt64?
        var reply: Reply?
        var index: UInt64 = 0
        var position: Int
        /// An attempt whose outcome is unknown.
        var isOpen = false
    }

    private struct CommandKey: Hashable {
        let session: Int?
        let requestID: UInt64
        /// Tells unsequenced commands apart.
        let position: Int?
    }

    private var partition: Partition
    private let tolerance: UInt64
    private var sessionNumbers: [UInt64: Int] = [:]
    private var participantNumbers: [String: Int] = [:]
    private var valueNumbers = ["": 0]
    private var commandNumbers: [CommandKey: Int] = [:]
    private var commands: [Command] = []
    private var timeouts: [Int: UInt64] = [:]

    init(latch: String, tolerance: UInt64) {
        partition = Partition(latch: latch)
        self.tolerance = tolerance
    }

    mutating func add(_ operation: ClientOperation, at position: Int) {
        switch operation.call {
        case .openSession(_, let timeout):
            if case .opened(let id) = operation.outcome {
                open(session(id), timeout, operation, position)
            }
        case .keepAlive(_, let id):
            keepAlive(session(id), operation, position)
        case .closeSession(_, let id):
            close(session(id), operation, position)
        case .deleteLatch:
            delete(operation, position)
        case .join(_, let id, _, let participant):
            command(.join(member(participant, id)), operation, position)
        case .leave(_, let id, _, let participant):
            command(.leave(member(participant, id)), operation, position)
        case .handOver(_, let id, _, let token, let target):
            let holder = id.map { session($0) }
            command(
                .handOver(session: holder, token: token, to: number(target)), operation, position)
        case .publish(_, let id, _, let token, let value):
            let move = Move.publish(session: session(id), token: token, value: number(of: value))
            command(move, operation, position)
        case .evict(_, let participant, let id, let token):
            let guarded = id.map { session($0) }
            command(
                .evict(participant: number(participant), session: guarded, token: token),
                operation, position)
        case .read(_, let id):
            read(id.map { session($0) }, operation, position)
        case .frame(_, let id, _, _):
            frame(session(id), operation, position)
        }
    }

    // MARK: Calls

    private mutating func open(
        _ session: Int, _ timeout: UInt64, _ operation: ClientOperation, _ position: Int
    ) {
        partition.sessions[session].isOpenedHere = true
        timeouts[session] = timeout
        renew(session, operation.invoked)
        append(.open(session), operation, position)
    }

    private mutating func keepAlive(
        _ session: Int, _ operation: ClientOperation, _ position: Int
    ) {
        if case .alive = operation.outcome {
            renew(session, operation.invoked)
            append(.alive(session), operation, position)
        } else {
            noteEnd(session, operation, position)
        }
    }

    private mutating func close(_ session: Int, _ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .closed:
            append(.close(session), operation, position)
            over(session, operation)
        case nil:
            partition.sessions[session].unplacedCloseFrom = min(
                partition.sessions[session].unplacedCloseFrom, operation.invoked)
        case .unknownSession: noteEnd(session, operation, position)
        case .opened, .alive, .state, .done, .denied, .refused, .streamOpened, .streamClosed:
            break
        }
    }

    private mutating func delete(_ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .closed:
            append(.delete, operation, position)
            partition.deletes.append(
                Partition.Delete(
                    invoked: operation.invoked, returned: operation.returned ?? .max))
        case nil:
            partition.deletes.append(
                Partition.Delete(invoked: operation.invoked, returned: .max))
        case .unknownSession, .opened, .alive, .state, .done, .denied, .refused, .streamOpened,
            .streamClosed:
            break
        }
    }

    private mutating func command(
        _ move: Move, _ operation: ClientOperation, _ position: Int
    ) {
        let requestID = operation.call.requestID ?? 0
        let key = CommandKey(
            session: move.session, requestID: requestID,
            position: requestID == 0 ? position : nil)
        let number = commandNumbers[key] ?? commands.count
        if number == commands.count {
            commandNumbers[key] = number
            commands.append(
                Command(
                    move: move, requestID: requestID, invoked: operation.invoked,
                    position: position))
        }
        if move.joining == nil { partition.hasMoves = true }
        switch operation.outcome {
        case .state(let view): answer(number, .view(translate(view)), operation, position)
        case .done: answer(number, .done, operation, position)
        case .denied(let denial): answer(number, .denied(denial), operation, position)
        case .unknownSession:
            if let session = move.session { noteEnd(session, operation, position) }
            return
        case .refused(let reason): if reason != "already-acknowledged" { return }
        case nil, .opened, .alive, .closed, .streamOpened, .streamClosed: break
        }
        // An attempt that was refused cannot be the one that took effect.
        commands[number].invoked =
            commands[number].isOpen
            ? min(commands[number].invoked, operation.invoked) : operation.invoked
        commands[number].isOpen = true
    }

    private mutating func answer(
        _ number: Int, _ reply: Reply, _ operation: ClientOperation, _ position: Int
    ) {
        if let session = commands[number].move.session { seenAlive(session, operation.invoked) }
        let returned = operation.returned ?? .max
        guard returned < commands[number].returned ?? .max else { return }
        commands[number].returned = returned
        commands[number].reply = reply
        commands[number].index = operation.index ?? 0
        commands[number].position = position
    }

    private mutating func read(_ session: Int?, _ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .state(let view):
            if let session { seenAlive(session, operation.invoked) }
            append(.read(session, translate(view)), operation, position)
        case .unknownSession:
            if let session { noteEnd(session, operation, position) }
        case nil, .opened, .alive, .closed, .done, .denied, .refused, .streamOpened,
            .streamClosed:
            break
        }
    }

    private mutating func frame(_ session: Int, _ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .state(let view):
            append(.frame(translate(view)), operation, position)
        case .streamOpened: seenAlive(session, operation.invoked)
        case .unknownSession: noteEnd(session, operation, position)
        case nil, .opened, .alive, .closed, .done, .denied, .refused, .streamClosed: break
        }
    }

    // MARK: Facts

    private mutating func noteEnd(
        _ session: Int, _ operation: ClientOperation, _ position: Int
    ) {
        guard case .unknownSession = operation.outcome else { return }
        append(.unknown(session), operation, position)
        over(session, operation)
    }

    private mutating func over(_ session: Int, _ operation: ClientOperation) {
        partition.sessions[session].overBy = min(
            partition.sessions[session].overBy, operation.returned ?? .max)
    }

    private mutating func seenAlive(_ session: Int, _ invoked: UInt64) {
        partition.sessions[session].aliveFrom = max(
            partition.sessions[session].aliveFrom, invoked)
    }

    /// The session's timeout is counted from when the accepted call was sent, or later.
    private mutating func renew(_ session: Int, _ invoked: UInt64) {
        seenAlive(session, invoked)
        partition.sessions[session].expiresFrom = max(
            partition.sessions[session].expiresFrom ?? 0, invoked)
    }

    private mutating func append(
        _ action: Partition.Action, _ operation: ClientOperation, _ position: Int
    ) {
        partition.steps.append(
            Partition.Step(
                action: action, invoked: operation.invoked, returned: operation.returned ?? .max,
                index: operation.index ?? 0, requestID: 0, position: position))
    }

    // MARK: Numbers

    private mutating func session(_ id: UInt64) -> Int {
        if let number = sessionNumbers[id] { return number }
        sessionNumbers[id] = partition.sessions.count
        partition.sessions.append(Partition.SessionFacts(id: id))
        return partition.sessions.count - 1
    }

    private mutating func number(_ participant: String) -> Int {
        if let number = participantNumbers[participant] { return number }
        participantNumbers[participant] = partition.participants.count
        partition.participants.append(participant)
        return partition.participants.count - 1
    }

    private mutating func number(of value: String) -> Int {
        if let number = valueNumbers[value] { return number }
        valueNumbers[value] = valueNumbers.count
        return valueNumbers.count - 1
    }

    private mutating func member(_ participant: String, _ id: UInt64) -> LatchModel.Member {
        LatchModel.Member(participant: number(participant), session: session(id))
    }

    private mutating func translate(_ view: LatchView) -> PartitionView {
        PartitionView(
            term: view.term, token: view.token,
            participants: view.participants.map { number($0) },
            value: view.value.map { number(of: $0) })
    }

    // MARK: End

    func finished() -> Partition {
        var partition = partition
        for command in commands where command.isOpen {
            let overBy = command.move.session.map { partition.sessions[$0].overBy } ?? .max
            if let reply = command.reply, let returned = command.returned {
                partition.steps.append(
                    Partition.Step(
                        action: .command(command.move, reply), invoked: command.invoked,
                        returned: returned, index: command.index, requestID: command.requestID,
                        position: command.position))
            } else if command.invoked <= overBy {
                partition.unknowns.append(
                    Partition.UnknownCommand(
                        move: command.move, requestID: command.requestID,
                        invoked: command.invoked))
            }
        }
        partition.sortUnknowns()
        for session in partition.sessions.indices {
            guard let renewed = partition.sessions[session].expiresFrom else { continue }
            partition.sessions[session].expiresFrom = expiry(renewed, timeouts[session])
        }
        return partition
    }

    private func expiry(_ renewed: UInt64, _ timeout: UInt64?) -> UInt64? {
        guard let timeout else { return nil }
        let (length, isLong) = timeout.multipliedReportingOverflow(by: 1_000_000)
        guard !isLong else { return .max }
        let (time, isLate) = renewed.addingReportingOverflow(length - min(length, tolerance))
        return isLate ? .max : time
    }
}
