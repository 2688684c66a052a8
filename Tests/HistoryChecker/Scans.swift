// Layer 3: one promise each, in one pass over the history, with failures that explain themselves.
extension HistoryChecker {
    static func scan(_ history: [ClientOperation], _ partitions: [Partition]) -> Report? {
        answersFitCalls(history)
            ?? sessionsEndOnce(history, partitions)
            ?? sessionsOpenOnce(history)
            ?? scanCommands(history)
            ?? indexesFollowTime(history)
            ?? streamsHaveNoGaps(history)
            ?? streamsMissNothing(history)
    }

    private static func scanCommands(_ history: [ClientOperation]) -> Report? {
        commandsApplyOnce(history)
            ?? commandsApplyInOrder(history)
            ?? holdersAreOldest(history)
            ?? tokensNameOneGrant(history)
            ?? tokensGrow(history)
    }

    private static func fail(
        _ claim: String, _ positions: [Int], _ history: [ClientOperation]
    ) -> Report {
        report(.scan, claim, positions, of: history)
    }

    /// Each call is told what can be an answer to it. What cannot is not looked at by the layers
    /// below, so it must not pass here.
    private static func answersFitCalls(_ history: [ClientOperation]) -> Report? {
        for (position, operation) in history.enumerated() {
            guard let outcome = operation.outcome else { continue }
            let fits =
                switch (operation.call, outcome) {
                case (_, .refused), (.openSession, .opened), (.keepAlive, .alive),
                    (.closeSession, .closed), (.deleteLatch, .closed), (.join, .state),
                    (.leave, .state), (.leave, .done),
                    (.handOver, .state), (.handOver, .done), (.handOver, .denied),
                    (.publish, .state), (.publish, .done), (.publish, .denied(.tokenMoved)),
                    (.evict, .state), (.evict, .done), (.evict, .denied),
                    (.read, .state),
                    (.frame, .state), (.frame, .streamOpened), (.frame, .streamClosed):
                    true
                case (_, .unknownSession): operation.call.session != nil
                case (_, .opened), (_, .alive), (_, .closed), (_, .state), (_, .done),
                    (_, .denied), (_, .streamOpened), (_, .streamClosed):
                    false
                }
            if !fits { return fail("an answer fits its call", [position], history) }
        }
        return nil
    }

    // MARK: Sessions

    /// A session is over for ever (I15), and not before its timeout (I16).
    private static func sessionsEndOnce(
        _ history: [ClientOperation], _ partitions: [Partition]
    ) -> Report? {
        for partition in partitions {
            let placed = partition.unplaced
            let deleteFrom = partition.deletes.map(\.invoked).min() ?? .max
            for (number, facts) in placed.sessions.enumerated() where facts.overBy < .max {
                if facts.aliveFrom > facts.overBy {
                    return fail(
                        "a session never comes back after its end: session \(facts.id) was told "
                            + "to be over by \(HistoryText.time(facts.overBy)) and answered a call "
                            + "sent at \(HistoryText.time(facts.aliveFrom))",
                        positions(of: facts.id, in: partition, history), history)
                }
                let ends = min(
                    partition.sessions[number].expiresFrom ?? 0, facts.unplacedCloseFrom,
                    deleteFrom)
                if facts.overBy < ends {
                    return fail(
                        "a session never expires early: session \(facts.id) was over by "
                            + "\(HistoryText.time(facts.overBy)); it could end from "
                            + "\(HistoryText.time(ends)) on",
                        positions(of: facts.id, in: partition, history), history)
                }
            }
        }
        return nil
    }

    private static func positions(
        of session: UInt64, in partition: Partition, _ history: [ClientOperation]
    ) -> [Int] {
        history.indices.filter {
            if case .opened(session) = history[$0].outcome { return true }
            return history[$0].call.latch == partition.latch
                && history[$0].call.session == session
        }
    }

    /// A session's id is new, and is the log index of its Create (section 3).
    private static func sessionsOpenOnce(_ history: [ClientOperation]) -> Report? {
        var opened: [UInt64: Int] = [:]
        for (position, operation) in history.enumerated() {
            guard case .opened(let session) = operation.outcome else { continue }
            if let first = opened.updateValue(position, forKey: session) {
                return fail(
                    "a session's id is never used again: \(session)", [first, position], history)
            }
            if let index = operation.index, index > 0, index != session {
                return fail(
                    "a session's id is the log index of its Create", [position], history)
            }
        }
        return nil
    }

    private struct CommandKey: Hashable {
        let session: UInt64
        let request: UInt64

        /// Nil for what is no sequenced command.
        init?(_ call: Call) {
            guard let session = call.session, let request = call.requestID, request > 0 else {
                return nil
            }
            self.session = session
            self.request = request
        }
    }

    private static func isAnswer(_ outcome: Outcome?) -> Bool {
        switch outcome {
        case .state, .done, .denied: true
        case nil, .opened, .alive, .closed, .unknownSession, .refused, .streamOpened,
            .streamClosed:
            false
        }
    }

    /// A command is applied once: all its answers are the same (Q1).
    private static func commandsApplyOnce(_ history: [ClientOperation]) -> Report? {
        var answered: [CommandKey: Int] = [:]
        for (position, operation) in history.enumerated() {
            guard let key = CommandKey(operation.call), isAnswer(operation.outcome) else {
                continue
            }
            guard let first = answered[key] else {
                answered[key] = position
                continue
            }
            if history[first].outcome != operation.outcome
                || history[first].index != operation.index
            {
                return fail(
                    "a repeated command gets its first answer: session \(key.session), request "
                        + "\(key.request)", [first, position], history)
            }
        }
        return nil
    }

    /// A session's commands are applied in the order of their request ids (Q3).
    private static func commandsApplyInOrder(_ history: [ClientOperation]) -> Report? {
        var answered: [UInt64: [(request: UInt64, position: Int)]] = [:]
        for (position, operation) in history.enumerated() {
            guard let key = CommandKey(operation.call), isAnswer(operation.outcome),
                operation.index ?? 0 > 0
            else { continue }
            answered[key.session, default: []].append((key.request, position))
        }
        for (session, commands) in answered {
            let sorted = commands.sorted { $0.request < $1.request }
            for (first, second) in zip(sorted, sorted.dropFirst())
            where history[first.position].index ?? 0 > history[second.position].index ?? 0 {
                return fail(
                    "a session's commands are applied in the order of their request ids: session "
                        + "\(session), requests \(first.request) and \(second.request)",
                    [first.position, second.position], history)
            }
        }
        return nil
    }

    // MARK: Latches

    private static func views(
        _ history: [ClientOperation]
    ) -> [(position: Int, latch: String, view: LatchView)] {
        history.enumerated().compactMap { position, operation in
            guard case .state(let view) = operation.outcome else { return nil }
            return (position, operation.call.latch, view)
        }
    }

    /// The holder is the oldest participant; a latch never held has term 0 (section 5).
    private static func holdersAreOldest(_ history: [ClientOperation]) -> Report? {
        for (position, _, view) in views(history) {
            if view.holder != view.participants.first {
                return fail("the holder is the oldest participant", [position], history)
            }
            if view.holder != nil, view.term == 0 || view.token == 0 {
                return fail("a grant has a term and a token", [position], history)
            }
        }
        return nil
    }

    private struct GrantKey: Hashable {
        let latch: String
        let number: UInt64
    }

    /// One token (and, without deletes, one term) is one holder's: never two at once (I13).
    private static func tokensNameOneGrant(_ history: [ClientOperation]) -> Report? {
        var deleted: Set<String> = []
        for operation in history {
            if case .deleteLatch(let latch) = operation.call { deleted.insert(latch) }
        }
        var byToken: [GrantKey: Int] = [:]
        var byTerm: [GrantKey: Int] = [:]
        for (position, latch, view) in views(history) {
            guard let holder = view.holder else { continue }
            if let token = view.token {
                let first = byToken[GrantKey(latch: latch, number: token)] ?? position
                byToken[GrantKey(latch: latch, number: token)] = first
                if case .state(let other) = history[first].outcome,
                    other.holder != holder || other.term != view.term
                {
                    return fail(
                        "a token is granted once: token \(token) of latch "
                            + HistoryText.quote(latch), [first, position], history)
                }
            }
            guard !deleted.contains(latch) else { continue }
            let first = byTerm[GrantKey(latch: latch, number: view.term)] ?? position
            byTerm[GrantKey(latch: latch, number: view.term)] = first
            if case .state(let other) = history[first].outcome, other.holder != holder {
                return fail(
                    "at most one participant holds a latch in one term: term \(view.term) of "
                        + "latch \(HistoryText.quote(latch))", [first, position], history)
            }
        }
        return nil
    }

    /// Tokens never go back, in the clients' time and in the log's (I14); nor do terms, unless the
    /// latch is deleted.
    private static func tokensGrow(_ history: [ClientOperation]) -> Report? {
        let isRepeated = repeatedCommands(history)
        var latches: [String: [Int]] = [:]
        for (position, latch, view) in views(history) where view.token ?? 0 > 0 {
            // A frame comes when it likes.
            if case .frame = history[position].call { continue }
            if isRepeated(position) { continue }
            latches[latch, default: []].append(position)
        }
        func token(_ position: Int) -> UInt64 {
            guard case .state(let view) = history[position].outcome else { return 0 }
            return view.token ?? 0
        }
        for positions in latches.values {
            if let (first, second) = regression(
                positions, history, value: token, isCommand: { _ in false })
            {
                return fail(
                    "tokens only grow: \(token(second)) was answered to a call sent after "
                        + "\(token(first)) was known", [first, second], history)
            }
        }
        return nil
    }

    // MARK: Time

    /// What was answered before a call was sent is in the call's answer (I18).
    private static func indexesFollowTime(_ history: [ClientOperation]) -> Report? {
        let isRepeated = repeatedCommands(history)
        var positions: [Int] = []
        for (position, operation) in history.enumerated() {
            if case .frame = operation.call { continue }
            if operation.index ?? 0 > 0, !isRepeated(position) { positions.append(position) }
        }
        func isCommand(_ position: Int) -> Bool {
            switch history[position].call {
            case .openSession, .join, .leave, .handOver, .publish, .evict: true
            case .keepAlive, .closeSession, .deleteLatch, .read, .frame: false
            }
        }
        guard
            let (first, second) = regression(
                positions, history, value: { history[$0].index ?? 0 }, isCommand: isCommand)
        else { return nil }
        return fail(
            "what was answered before a call was sent is in the call's answer: index "
                + "\(history[second].index ?? 0) was answered to a call sent after index "
                + "\(history[first].index ?? 0) was known", [first, second], history)
    }

    /// A repeated command has its first attempt's answer: it is no statement about now.
    private static func repeatedCommands(_ history: [ClientOperation]) -> (Int) -> Bool {
        var firstAttempts: [CommandKey: UInt64] = [:]
        for operation in history {
            guard let key = CommandKey(operation.call) else { continue }
            firstAttempts[key] = min(firstAttempts[key] ?? .max, operation.invoked)
        }
        return { position in
            guard let key = CommandKey(history[position].call) else { return false }
            return firstAttempts[key] ?? .max < history[position].invoked
        }
    }

    /// Two operations, one answered before the other was sent, whose values go back; for a command
    /// it is enough that they are the same.
    private static func regression(
        _ positions: [Int], _ history: [ClientOperation], value: (Int) -> UInt64,
        isCommand: (Int) -> Bool
    ) -> (Int, Int)? {
        let sent = positions.sorted { history[$0].invoked < history[$1].invoked }
        let answered = positions.sorted {
            history[$0].returned ?? .max < history[$1].returned ?? .max
        }
        var next = 0
        var highest: Int?
        for position in sent {
            while next < answered.count,
                history[answered[next]].returned ?? .max < history[position].invoked
            {
                if highest.map({ value($0) < value(answered[next]) }) ?? true {
                    highest = answered[next]
                }
                next += 1
            }
            guard let highest else { continue }
            let (known, told) = (value(highest), value(position))
            if told < known || (told == known && isCommand(position)) { return (highest, position) }
        }
        return nil
    }
}
