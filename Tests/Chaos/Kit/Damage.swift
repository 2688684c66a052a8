package import HistoryChecker

/// One deliberate lie in a recorded history. A checker that accuses none of them would call any
/// run good, so each run shows that its own history, damaged, is accused.
package enum Damage: String, CaseIterable, Sendable {
    /// Somebody holds the latch who never joined.
    case strangerHolds = "a stranger holds"
    /// Two answers of one term name different holders.
    case twoHolders = "two holders of one term"
    /// A session that is served before and after is missing in between.
    case lostGrant = "a lost grant"
    /// A later answer has a smaller term.
    case termFalls = "a term that falls"
    /// A session that was closed is alive again.
    case aliveAfterClose = "alive after its close"
    /// A repeated request gets another answer than the first time.
    case otherAnswer = "another answer to a repeat"
    /// Who has left is still in the latch.
    case staysAfterLeave = "in the latch after its leave"
    /// The latch shows a text that nobody published.
    case inventedValue = "a value that nobody published"

    /// The operations of one latch with this damage; nil if the history has no place for it.
    package func done(to history: [ClientOperation]) -> [ClientOperation]? {
        let latches = Dictionary(grouping: history, by: \.call.latch)
        for latch in latches.keys.sorted().reversed() {
            // After a delete terms begin anew, and some of these lies could be true.
            guard let operations = latches[latch], !operations.contains(where: \.isDelete),
                let damaged = damage(operations)
            else { continue }
            return damaged
        }
        return nil
    }

    private func damage(_ operations: [ClientOperation]) -> [ClientOperation]? {
        switch self {
        case .strangerHolds: strangerHolds(operations)
        case .twoHolders: twoHolders(operations)
        case .lostGrant: lostGrant(operations)
        case .termFalls: termFalls(operations)
        case .aliveAfterClose: aliveAfterClose(operations)
        case .otherAnswer: otherAnswer(operations)
        case .staysAfterLeave: staysAfterLeave(operations)
        case .inventedValue:
            change(operations, where: { $0.value?.isEmpty == false }) { $0.value = "nobody's" }
        }
    }

    private func strangerHolds(_ operations: [ClientOperation]) -> [ClientOperation]? {
        change(operations, where: { $0.holder != nil }) { view in
            view.holder = "nobody"
            view.participants = ["nobody"] + view.participants
        }
    }

    private func twoHolders(_ operations: [ClientOperation]) -> [ClientOperation]? {
        var seen: [UInt64: Int] = [:]
        for view in operations.compactMap(\.view) where view.holder != nil {
            seen[view.term, default: 0] += 1
        }
        // Two participants who both joined: only the order is a lie.
        return change(
            operations, where: { $0.participants.count > 1 && (seen[$0.term] ?? 0) > 1 }
        ) { view in
            view.participants.swapAt(0, 1)
            view.holder = view.participants.first
        }
    }

    /// A read between two answers of a session that both name its participant.
    private func lostGrant(_ operations: [ClientOperation]) -> [ClientOperation]? {
        let reads = operations.indices.filter { operations[$0].isSessionRead }
        for position in reads {
            let read = operations[position]
            guard let holder = read.view?.holder, let returned = read.returned,
                operations.contains(where: {
                    ($0.returned ?? .max) < read.invoked && $0.joins(holder)
                }),
                operations.contains(where: {
                    $0.invoked > returned && $0.view?.participants.contains(holder) == true
                })
            else { continue }
            return replaced(operations, at: position, by: LatchView(term: read.view?.term ?? 0))
        }
        return nil
    }

    private func termFalls(_ operations: [ClientOperation]) -> [ClientOperation]? {
        for (position, later) in operations.enumerated().reversed() {
            guard var view = later.view, view.holder != nil, later.isRead,
                let before = operations.first(where: {
                    ($0.returned ?? .max) < later.invoked && ($0.view?.term ?? 0) > 0
                })?.view
            else { continue }
            view.term = before.term - 1
            return replaced(operations, at: position, by: view)
        }
        return nil
    }

    private func aliveAfterClose(_ operations: [ClientOperation]) -> [ClientOperation]? {
        let closed = operations.first { operation in
            if case .closeSession = operation.call { operation.outcome == .closed } else { false }
        }
        guard let closed, let session = closed.call.session else { return nil }
        let call = Call.keepAlive(latch: closed.call.latch, session: session)
        return operations + [operations.next(call, .alive, index: nil)]
    }

    private func otherAnswer(_ operations: [ClientOperation]) -> [ClientOperation]? {
        guard let first = operations.first(where: \.isAnsweredJoin), var view = first.view else {
            return nil
        }
        view.term += 1
        return operations + [operations.next(first.call, .state(view), index: first.index)]
    }

    /// A read after an answered leave; names join once.
    private func staysAfterLeave(_ operations: [ClientOperation]) -> [ClientOperation]? {
        for leave in operations {
            guard case .leave(_, _, _, let name) = leave.call, leave.outcome == .done,
                let returned = leave.returned,
                operations.contains(where: {
                    ($0.returned ?? .max) < leave.invoked && $0.joins(name)
                }),
                let position = operations.firstIndex(where: {
                    $0.isRead && $0.invoked > returned && $0.view?.holder != nil
                }), var view = operations[position].view
            else { continue }
            view.participants.append(name)
            return replaced(operations, at: position, by: view)
        }
        return nil
    }

    // MARK: Tools

    /// Changes the last view that `isFit`.
    private func change(
        _ operations: [ClientOperation], where isFit: (LatchView) -> Bool,
        _ change: (inout LatchView) -> Void
    ) -> [ClientOperation]? {
        let position = operations.lastIndex { $0.view.map(isFit) ?? false }
        guard let position, var view = operations[position].view else { return nil }
        change(&view)
        return replaced(operations, at: position, by: view)
    }

    private func replaced(
        _ operations: [ClientOperation], at position: Int, by view: LatchView
    ) -> [ClientOperation] {
        var damaged = operations
        damaged[position].outcome = .state(view)
        return damaged
    }
}

extension ClientOperation {
    fileprivate var view: LatchView? {
        if case .state(let view) = outcome { view } else { nil }
    }

    fileprivate var isRead: Bool {
        if case .read = call { true } else { false }
    }

    fileprivate var isDelete: Bool {
        if case .deleteLatch = call { true } else { false }
    }

    fileprivate var isSessionRead: Bool { isRead && call.session != nil }

    fileprivate var isAnsweredJoin: Bool {
        if case .join = call { view != nil } else { false }
    }

    fileprivate func joins(_ name: String) -> Bool {
        if case .join(_, _, _, name) = call { view != nil } else { false }
    }
}

extension [ClientOperation] {
    /// An operation behind all others.
    fileprivate func next(_ call: Call, _ outcome: Outcome, index: UInt64?) -> ClientOperation {
        let end = map { Swift.max($0.invoked, $0.returned ?? 0) }.max() ?? 0
        return ClientOperation(
            id: (map(\.id).max() ?? 0) + 1, client: 0, node: 1, invoked: end + 1_000,
            returned: end + 2_000, call: call, outcome: outcome, index: index)
    }
}
