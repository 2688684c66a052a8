import HistoryChecker

/// Tries every order of at most eight operations on one latch, and every moment at which sessions
/// could expire and unanswered calls take effect.
struct BruteForce {
    private let operations: [ClientOperation]
    /// When the last accepted keep-alive was sent, plus the timeout.
    private var expiry: [UInt64: UInt64] = [:]

    init(_ operations: [ClientOperation]) {
        self.operations = operations
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
            if let next = apply(operation, latch),
                search(next, done | 1 << UInt(number), index)
            {
                return true
            }
        }
        let due = expiry.filter { $1 <= bound && !latch.ended.contains($0) }.map(\.key).sorted()
        for subset in 1..<(1 << due.count) {
            var next = latch
            next.end(Set(due.indices.filter { subset & (1 << $0) != 0 }.map { due[$0] }))
            if search(next, done, highest) { return true }
        }
        return false
    }

    /// The latch after an operation, if its answer is the right one.
    private func apply(_ operation: ClientOperation, _ latch: SimpleLatch) -> SimpleLatch? {
        var next = latch
        let isOver = operation.call.session.map { latch.ended.contains($0) } ?? false
        switch operation.call {
        case .frame:
            return next
        case .openSession:
            if case .opened(let session) = operation.outcome { next.opened.insert(session) }
            return next
        case .deleteLatch:
            next.delete()
            return next
        case .keepAlive:
            return (operation.outcome == .alive) == !isOver ? next : nil
        case .closeSession(_, let session):
            next.end([session])
            return next
        case .join(_, let session, let request, let name):
            if operation.outcome == nil {
                return isOver || next.join(name, session, request: request) ? next : nil
            }
            if isOver { return operation.outcome == .unknownSession ? next : nil }
            guard next.join(name, session, request: request) else { return nil }
        case .read:
            if isOver { return operation.outcome == .unknownSession ? next : nil }
        }
        guard case .state(let view) = operation.outcome, view.term == next.term,
            view.participants == next.members.map(\.name), view.holder == view.participants.first
        else { return nil }
        return next
    }
}
