package import HistoryChecker
import LatchMachine

// The clients' history in the words of the checker, which shares no code with the product.

extension History {
    private static let nanoseconds: UInt64 = 1_000_000

    /// Operations of one latch that the search takes. It needs exponential time at worst.
    private static let searchedOperations = 300

    /// The linearizability of latches and sessions, from what clients were told alone. Latches
    /// that are too large for the search are replayed whole, and their beginnings are searched.
    ///
    /// - Parameter tolerance: milliseconds by which a fast clock may end a session early.
    func checkLinearizability(tolerance: UInt64, _ marks: inout Marks) throws(Violation) {
        var budget = Budget.standard
        budget.expiryTolerance = tolerance * Self.nanoseconds
        budget.searchedOperations = Self.searchedOperations
        budget.searchBytes = 64 << 20
        budget.possibleStates = 2_000
        budget.explanationTries = 20_000
        budget.search = .seconds(1)
        let history = forChecker
        let statistics = try Self.judge(history, budget, &marks)
        marks.latches += statistics.partitions
        marks.searchedLatches += statistics.searchedPartitions
        guard statistics.searchedPartitions < statistics.partitions else { return }
        let latches = Dictionary(grouping: history, by: \.call.latch)
        for (_, operations) in latches.sorted(by: { $0.key < $1.key })
        where operations.count > Self.searchedOperations {
            let beginning = Self.beginning(of: operations)
            marks.searchedBeginnings += try Self.judge(beginning, budget, &marks).searchedPartitions
        }
    }

    private static func judge(
        _ history: [ClientOperation], _ budget: Budget, _ marks: inout Marks
    ) throws(Violation) -> Statistics {
        switch HistoryChecker.check(history, budget: budget) {
        case .violation(let report):
            throw Violation("I18 linearizability", report.description)
        case .linearizable(let statistics):
            return statistics
        case .undecided(_, let statistics):
            marks.undecidedHistories += statistics.undecidedPartitions
            return statistics
        }
    }

    /// What had happened when the last of the first operations began: linearizability is closed
    /// under prefixes. What had not returned by then may have taken effect or not.
    private static func beginning(of operations: [ClientOperation]) -> [ClientOperation] {
        let ordered = operations.sorted { ($0.invoked, $0.id) < ($1.invoked, $1.id) }
        let end = ordered[searchedOperations - 1].invoked
        return ordered.filter { $0.invoked < end }.compactMap { operation in
            guard let returned = operation.returned, returned >= end else { return operation }
            if case .frame = operation.call { return nil }
            return ClientOperation(
                id: operation.id, client: operation.client, invoked: operation.invoked,
                returned: nil, call: operation.call, outcome: nil, index: nil)
        }
    }

    /// Every operation as the checker takes it.
    package var forChecker: [ClientOperation] {
        operations.enumerated().map { number, operation in
            var outcome = operation.outcome
            var returned = operation.returned.map { $0 * Self.nanoseconds }
            if outcome == nil || returned == nil {
                outcome = nil
                returned = nil
            }
            return ClientOperation(
                id: number, client: operation.client,
                invoked: operation.invoked * Self.nanoseconds, returned: returned,
                call: operation.call, outcome: outcome, index: operation.checkedIndex)
        }
    }
}

extension History.Operation {
    fileprivate var call: Call {
        switch kind {
        case .command(let command): Self.call(of: command)
        case .renewal(let renewal):
            .keepAlive(latch: "\(renewal.primitive)", session: renewal.session)
        case .get(let name, let session): .read(latch: "\(name)", session: session)
        case .frame(let name, let key, let frame):
            .frame(
                latch: "\(name)", session: key.session, stream: key.stream,
                responseID: frame.responseID)
        }
    }

    private static func call(of command: Command) -> Call {
        switch command {
        case .openSession(let name, let timeout):
            .openSession(latch: "\(name)", timeoutMilliseconds: timeout)
        case .closeSession(let name, let session):
            .closeSession(latch: "\(name)", session: session)
        case .deletePrimitive(let name): .deleteLatch(latch: "\(name)")
        case .latch(let name, let session, let requestID, let participant):
            .join(
                latch: "\(name)", session: session, requestID: requestID,
                participant: participant)
        case .leave(let name, let session, let requestID, let participant):
            .leave(
                latch: "\(name)", session: session, requestID: requestID,
                participant: participant)
        case .handOver(let name, let session, let requestID, let token, let target):
            .handOver(
                latch: "\(name)", session: session > 0 ? session : nil, requestID: requestID,
                token: token, to: target)
        case .publish(let name, let session, let requestID, let token, let value):
            .publish(
                latch: "\(name)", session: session, requestID: requestID, token: token,
                value: value)
        case .evict(let name, let participant, let session, let token):
            .evict(
                latch: "\(name)", participant: participant,
                session: session > 0 ? session : nil, token: token > 0 ? token : nil)
        case .leaderElected, .renew, .openStream, .closeGap, .expire:
            // Clients send none of these as a command.
            .read(latch: "none", session: nil)
        }
    }

    fileprivate var checkedIndex: UInt64? {
        // A denial that is repeated comes with another entry than the first.
        if case .answer(.refused) = result { return nil }
        return switch kind {
        case .command(.closeSession), .command(.deletePrimitive), .renewal: nil
        case .command, .get, .frame: index
        }
    }

    fileprivate var outcome: CheckedOutcome? {
        switch (kind, result) {
        case (.frame(_, _, let frame), _): Self.outcome(of: frame)
        case (_, nil): nil
        case (_, .answer(let answer)): Self.outcome(of: answer)
        case (_, .renewed(let isAlive)): isAlive ? .alive : .unknownSession
        case (_, .state(let state)): .state(CheckedView(state ?? LatchState()))
        case (_, .unknownSession): .unknownSession
        }
    }

    private static func outcome(of frame: Frame) -> CheckedOutcome {
        switch frame.content {
        case .open: .streamOpened
        case .changed(let state): .state(CheckedView(state))
        case .close: .streamClosed
        }
    }

    private static func outcome(of answer: Answer) -> CheckedOutcome? {
        switch answer {
        case .sessionOpened(let session): .opened(session: session)
        case .closed: .closed
        case .latched(let state, _): .state(CheckedView(state))
        case .refused(.unknownSession): .unknownSession
        case .refused(.tokenMoved): .denied(.tokenMoved)
        case .refused(.noSuchParticipant), .refused(.noSuchPrimitive): .denied(.noSuchParticipant)
        case .refused(.alreadyAcknowledged): nil
        case .refused(.gap): .refused(reason: "gap")
        case .refused(.requestMismatch): .refused(reason: "mismatch")
        case .refused(.limit(let text)): .refused(reason: text)
        case .refused(.tooManyHeld): .refused(reason: "too many held")
        case .done, .renewed, .held, .streamOpened: nil
        }
    }
}

extension CheckedView {
    fileprivate init(_ state: LatchState) {
        self.init(
            term: state.term, token: state.fencingToken, holder: state.holder,
            participants: state.participants, value: state.value)
    }
}
