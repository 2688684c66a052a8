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
    /// All attempts of one sequenced join.
    private struct Command {
        let member: LatchModel.Member
        let requestID: UInt64
        /// The first attempt's.
        var invoked: UInt64
        /// The first answer's.
        var returned: UInt64?
        var view: PartitionView?
        var index: UInt64 = 0
        var position: Int
        /// An attempt whose outcome is unknown.
        var isOpen = false
    }

    private struct CommandKey: Hashable {
        let session: Int
        let requestID: UInt64
        /// Tells unsequenced commands apart.
        let position: Int?
    }

    private var partition: Partition
    private let tolerance: UInt64
    private var sessionNumbers: [UInt64: Int] = [:]
    private var participantNumbers: [String: Int] = [:]
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
        case .join(_, let id, let requestID, let participant):
            join(
                LatchModel.Member(participant: number(participant), session: session(id)),
                requestID, operation, position)
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
        case .opened, .alive, .state, .refused, .streamOpened, .streamClosed: break
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
        case .unknownSession, .opened, .alive, .state, .refused, .streamOpened, .streamClosed:
            break
        }
    }

    private mutating func join(
        _ member: LatchModel.Member, _ requestID: UInt64, _ operation: ClientOperation,
        _ position: Int
    ) {
        let key = CommandKey(
            session: member.session, requestID: requestID,
            position: requestID == 0 ? position : nil)
        let number = commandNumbers[key] ?? commands.count
        if number == commands.count {
            commandNumbers[key] = number
            commands.append(
                Command(
                    member: member, requestID: requestID, invoked: operation.invoked,
                    position: position))
        }
        switch operation.outcome {
        case .state(let view):
            seenAlive(member.session, operation.invoked)
            let returned = operation.returned ?? .max
            if returned < commands[number].returned ?? .max {
                commands[number].returned = returned
                commands[number].view = translate(view)
                commands[number].index = operation.index ?? 0
                commands[number].position = position
            }
        case .unknownSession: noteEnd(member.session, operation, position)
        case .refused(let reason): if reason != "already-acknowledged" { return }
        case nil, .opened, .alive, .closed, .streamOpened, .streamClosed: break
        }
        if case .unknownSession = operation.outcome { return }
        // An attempt that was refused cannot be the one that took effect.
        commands[number].invoked =
            commands[number].isOpen
            ? min(commands[number].invoked, operation.invoked) : operation.invoked
        commands[number].isOpen = true
    }

    private mutating func read(_ session: Int?, _ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .state(let view):
            if let session { seenAlive(session, operation.invoked) }
            append(.read(session, translate(view)), operation, position)
        case .unknownSession:
            if let session { noteEnd(session, operation, position) }
        case nil, .opened, .alive, .closed, .refused, .streamOpened, .streamClosed: break
        }
    }

    private mutating func frame(_ session: Int, _ operation: ClientOperation, _ position: Int) {
        switch operation.outcome {
        case .state(let view):
            append(.frame(translate(view)), operation, position)
        case .streamOpened: seenAlive(session, operation.invoked)
        case .unknownSession: noteEnd(session, operation, position)
        case nil, .opened, .alive, .closed, .refused, .streamClosed: break
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

    private mutating func translate(_ view: LatchView) -> PartitionView {
        PartitionView(
            term: view.term, token: view.token,
            participants: view.participants.map { number($0) })
    }

    // MARK: End

    func finished() -> Partition {
        var partition = partition
        for command in commands where command.isOpen {
            if let view = command.view, let returned = command.returned {
                partition.steps.append(
                    Partition.Step(
                        action: .join(command.member, view), invoked: command.invoked,
                        returned: returned, index: command.index, requestID: command.requestID,
                        position: command.position))
            } else if command.invoked <= partition.sessions[command.member.session].overBy {
                partition.unknownJoins.append(
                    Partition.UnknownJoin(
                        member: command.member, requestID: command.requestID,
                        invoked: command.invoked))
            }
        }
        partition.unknownJoins.sort { $0.requestID < $1.requestID }
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
