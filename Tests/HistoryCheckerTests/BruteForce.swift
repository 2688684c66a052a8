import HistoryChecker

/// Tries every order of a few operations on one latch, every moment at which sessions could expire
/// and unanswered calls take effect, and every token that a grant could have.
struct BruteForce {
    private let operations: [ClientOperation]
    /// When the last accepted keep-alive was sent, plus the timeout.
    private var expiry: [UInt64: UInt64] = [:]
    /// Twice each token that the history names, and an odd number for all between two of them.
    private let tokens: [UInt64]

    init(_ operations: [ClientOperation]) {
        self.operations = operations
        tokens =
            [1] + Set(operations.flatMap(Self.tokens)).sorted().flatMap { [2 * $0, 2 * $0 + 1] }
        var timeouts: [UInt64: UInt64] = [:]
        for operation in operations {
            switch (operation.call, operation.outcome) {
            case (.openSession(_, let timeout), .opened(let session)):
                timeouts[session] = timeout * 1_000_000
                expiry[session] = max(expiry[session] ?? 0, operation.invoked)
            case (.keepAlive(_, let session), .alive):
                expiry[session] = max(expiry[session] ?? 0, operation.invoked)
            default:  // default: open set (pairs)
                break
            }
        }
        for (session, timeout) in timeouts { expiry[session, default: 0] += timeout }
    }

    private static func tokens(_ operation: ClientOperation) -> [UInt64] {
        var tokens: [UInt64] = []
        switch operation.call {
        case .handOver(_, _, _, let token, _), .publish(_, _, _, let token, _): tokens = [token]
        case .evict(_, _, _, let token): tokens = token.map { [$0] } ?? []
        case .openSession, .keepAlive, .closeSession, .deleteLatch, .join, .leave, .read, .frame:
            break
        }
        if case .state(let view) = operation.outcome, let token = view.token {
            tokens.append(token)
        }
        return tokens.filter { $0 > 0 }
    }

    func isGood() -> Bool {
        search(SimpleLatch(), 0, 0)
    }

    /// `done` has a bit for each operation in order so far; `highest` is their highest index.
    private func search(_ latch: SimpleLatch, _ done: UInt, _ highest: UInt64) -> Bool {
        let missing = operations.indices.filter { done & (1 << UInt($0)) == 0 }
        let bound = missing.compactMap { operations[$0].returned }.min()
        guard let bound else { return true }
        for number in missing where operations[number].invoked <= bound {
            let operation = operations[number]
            let index = operation.index ?? highest
            guard index >= highest else { continue }
            for next in apply(operation, latch)
            where search(next, done | 1 << UInt(number), index) { return true }
        }
        let due = expiry.filter { $1 <= bound && !latch.ended.contains($0) }.map(\.key).sorted()
        for subset in 1..<(1 << due.count) {
            var next = latch
            next.end(Set(due.indices.filter { subset & (1 << $0) != 0 }.map { due[$0] }))
            for next in granted(next) where search(next, done, highest) { return true }
        }
        return false
    }

    /// The latch with each token that its newest grant can have.
    private func granted(_ latch: SimpleLatch) -> [SimpleLatch] {
        guard latch.isTokenDue else { return [latch] }
        let least = latch.token % 2 == 1 ? latch.token : latch.token + 1
        return tokens.filter { $0 >= least }.map {
            var next = latch
            next.token = $0
            next.isTokenDue = false
            return next
        }
    }

    /// The latch after an operation, if its answer is the right one.
    private func apply(_ operation: ClientOperation, _ latch: SimpleLatch) -> [SimpleLatch] {
        var next = latch
        let isOver = operation.call.session.map { latch.ended.contains($0) } ?? false
        switch operation.call {
        case .frame:
            return [next]
        case .openSession:
            if case .opened(let session) = operation.outcome { next.opened.insert(session) }
            return [next]
        case .deleteLatch:
            next.delete()
            return [next]
        case .keepAlive:
            return (operation.outcome == .alive) == !isOver ? [next] : []
        case .closeSession(_, let session):
            next.end([session])
            return granted(next)
        case .join, .leave, .handOver, .publish, .evict:
            return command(operation, next, isOver)
        case .read:
            if isOver { return operation.outcome == .unknownSession ? [next] : [] }
            return shows(operation.outcome, next) ? [next] : []
        }
    }

    private func command(
        _ operation: ClientOperation, _ latch: SimpleLatch, _ isOver: Bool
    ) -> [SimpleLatch] {
        var next = latch
        if isOver {
            return operation.outcome == nil || operation.outcome == .unknownSession ? [next] : []
        }
        guard next.admit(operation.call.session, request: request(operation.call)) else {
            return []
        }
        let denials = next.perform(scaled(operation.call))
        guard operation.outcome != nil else { return granted(next) }
        guard denials.isEmpty else {
            return denials.contains { operation.outcome == .denied($0) } ? [next] : []
        }
        return granted(next).filter {
            operation.outcome == .done || shows(operation.outcome, $0)
        }
    }

    private func request(_ call: Call) -> UInt64 {
        switch call {
        case .join(_, _, let request, _), .leave(_, _, let request, _),
            .handOver(_, _, let request, _, _), .publish(_, _, let request, _, _):
            request
        case .evict, .openSession, .keepAlive, .closeSession, .deleteLatch, .read, .frame: 0
        }
    }

    /// The call with its token in the numbers of ``tokens``.
    private func scaled(_ call: Call) -> Call {
        switch call {
        case .handOver(let latch, let session, let request, let token, let target):
            .handOver(
                latch: latch, session: session, requestID: request, token: 2 * token, to: target)
        case .publish(let latch, let session, let request, let token, let value):
            .publish(
                latch: latch, session: session, requestID: request, token: 2 * token, value: value)
        case .evict(let latch, let participant, let session, let token):
            .evict(
                latch: latch, participant: participant, session: session,
                token: token.map { 2 * $0 })
        case .join, .leave, .openSession, .keepAlive, .closeSession, .deleteLatch, .read, .frame:
            call
        }
    }

    private func shows(_ outcome: Outcome?, _ latch: SimpleLatch) -> Bool {
        guard case .state(let view) = outcome, view.term == latch.term,
            view.participants == latch.members.map(\.name), view.holder == view.participants.first,
            view.value ?? latch.value == latch.value
        else { return false }
        guard let token = view.token else { return true }
        return latch.term == 0 ? token == 0 : 2 * token == latch.token
    }
}
