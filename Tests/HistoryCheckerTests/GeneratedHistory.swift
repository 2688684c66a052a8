import HistoryChecker
import SeededRandom

/// Runs clients with concurrency against ``SimpleLatch``: a history that is good by construction.
enum GeneratedHistory {
    /// What clients do besides opening, joining, renewing, closing and reading.
    enum Extras: CaseIterable {
        case nothing, deletes, moves, everything
        var deletes: Bool { self == .deletes || self == .everything }
        var moves: Bool { self == .moves || self == .everything }
    }

    static func make(
        seed: UInt64, operations count: Int = 8, _ extras: Extras = .nothing
    ) -> [ClientOperation] {
        var chance = SplitMix(seed: seed)
        var latch = SimpleLatch()
        var history: [ClientOperation] = []
        var sessions: [UInt64] = []
        var expiry: [UInt64: UInt64] = [:]
        var timeouts: [UInt64: UInt64] = [:]
        var requests: [UInt64: UInt64] = [:]
        var index: UInt64 = 1
        var now: UInt64 = 10_000_000
        let withIndexes = chance.next(below: 2) == 0
        let shown = Shown(
            token: extras.moves && chance.next(below: 2) == 0,
            value: extras.moves && chance.next(below: 2) == 0)
        while history.count < count {
            now += 1 + chance.next(below: 20) * 1_000_000
            index += 1
            // Each takes effect at `now`, sent up to 15 ms before and answered up to 15 ms after.
            let due = sessions.filter { expiry[$0] ?? .max < now && !latch.ended.contains($0) }
            if !due.isEmpty, chance.next(below: 2) == 0 {
                latch.end(chance.next(below: 2) == 0 ? Set(due) : [due[0]])
                latch.take(token: index)
                continue
            }
            let invoked = now - chance.next(below: min(15_000_000, now))
            var operation = ClientOperation(
                id: history.count + 1, client: 0, invoked: invoked,
                returned: now + chance.next(below: 15_000_000),
                call: .read(latch: "a", session: nil))
            var kind = sessions.count < 2 ? 0 : chance.next(below: 12)
            var session =
                sessions.isEmpty ? 0 : sessions[Int(chance.next(below: UInt64(sessions.count)))]
            // Where there is more to do in a latch, somebody is in it, mostly.
            if extras.moves, 2...3 ~= history.count, chance.next(below: 4) > 0 {
                (kind, session) = (1, sessions[history.count - 2])
            }
            let isOver = latch.ended.contains(session)
            var carriesIndex = true
            if sessions.count < 2 || (kind == 0 && sessions.count < 3) {
                let timeout = 20 + chance.next(below: 60)
                operation.invoked = max(invoked, history.last?.invoked ?? 0)
                operation.call = .openSession(latch: "a", timeoutMilliseconds: timeout)
                operation.outcome = .opened(session: index)
                sessions.append(index)
                latch.opened.insert(index)
                timeouts[index] = timeout * 1_000_000
                expiry[index] = now + timeout * 1_000_000
                // The client sends nothing in a session before it has one.
                now += 16_000_000
            } else if extras.moves, kind > 3, kind < 9 {
                operation.call = move(session, latch, &requests, &chance)
                let isOver = operation.call.session.map { latch.ended.contains($0) } ?? false
                let isLost = chance.next(below: 6) == 0
                if isLost, chance.next(below: 2) == 0 {
                    operation.outcome = nil
                } else if isOver {
                    operation.outcome = .unknownSession
                } else {
                    let denials = latch.perform(operation.call)
                    latch.take(token: index)
                    operation.outcome = denials.first.map { .denied($0) } ?? view(of: latch, shown)
                    if case .publish = operation.call, denials.isEmpty, !shown.value {
                        operation.outcome = .done
                    }
                    carriesIndex = denials.isEmpty
                }
                if isLost {
                    operation.outcome = nil
                    operation.returned = nil
                }
            } else if kind < 6 {
                requests[session, default: 0] += 1
                let name = chance.next(below: 6) == 0 ? "shared" : "p\(session)"
                operation.call = .join(
                    latch: "a", session: session, requestID: requests[session] ?? 0,
                    participant: name)
                if !isOver { _ = latch.perform(operation.call) }
                latch.take(token: index)
                operation.outcome = isOver ? .unknownSession : view(of: latch, shown)
                if chance.next(below: 8) == 0 {
                    operation.outcome = nil
                    operation.returned = nil
                }
            } else if kind < 8 {
                operation.call = .keepAlive(latch: "a", session: session)
                operation.outcome = isOver ? .unknownSession : .alive
                if !isOver { expiry[session] = now + timeouts[session, default: 0] }
                carriesIndex = false
            } else if extras.deletes, kind == 9 {
                operation.call = .deleteLatch(latch: "a")
                operation.outcome = .closed
                if chance.next(below: 2) == 0 {
                    operation.outcome = nil
                    operation.returned = nil
                }
                if operation.outcome != nil || chance.next(below: 2) == 0 { latch.delete() }
                carriesIndex = false
            } else if kind == 8 {
                operation.call = .closeSession(latch: "a", session: session)
                operation.outcome = .closed
                latch.end([session])
                latch.take(token: index)
                carriesIndex = false
            } else {
                operation.outcome = view(of: latch, shown)
            }
            let isAnswered = operation.outcome != nil && operation.outcome != .unknownSession
            if withIndexes, carriesIndex, isAnswered { operation.index = index }
            history.append(operation)
        }
        return history
    }

    /// A command other than a join, with guards that are often right.
    private static func move(
        _ session: UInt64, _ latch: SimpleLatch, _ requests: inout [UInt64: UInt64],
        _ chance: inout SplitMix
    ) -> Call {
        let names = latch.members.map(\.name) + ["shared"]
        var name = names[Int(chance.next(below: UInt64(names.count)))]
        var session = session
        let token = chance.next(below: 4) == 0 ? chance.next(below: 12) + 1 : latch.token
        let kind = chance.next(below: 6)
        if 2...4 ~= kind, let holder = latch.members.first, chance.next(below: 4) > 0 {
            session = holder.session
            name = latch.members.last?.name ?? name
        }
        if kind == 4 {
            return .handOver(latch: "a", session: nil, requestID: 0, token: token, to: name)
        }
        if kind == 5 {
            return .evict(
                latch: "a", participant: name,
                session: chance.next(below: 3) == 0 ? session : nil,
                token: chance.next(below: 3) == 0 ? token : nil)
        }
        var request: UInt64 = 0
        if chance.next(below: 4) > 0 {
            requests[session, default: 0] += 1
            request = requests[session] ?? 0
        }
        switch kind {
        case 0, 1:
            let own = chance.next(below: 4) == 0 ? "shared" : "p\(session)"
            return .leave(latch: "a", session: session, requestID: request, participant: own)
        case 2:
            return .handOver(
                latch: "a", session: session, requestID: request, token: token, to: name)
        default:  // default: open set (a draw)
            return .publish(
                latch: "a", session: session, requestID: request, token: token,
                value: chance.next(below: 2) == 0 ? "x" : "y")
        }
    }

    /// What answers carry besides the participants.
    private struct Shown {
        let token: Bool
        let value: Bool
    }

    private static func view(of latch: SimpleLatch, _ shown: Shown) -> Outcome {
        .state(
            LatchView(
                term: latch.term, token: shown.token ? (latch.term == 0 ? 0 : latch.token) : nil,
                holder: latch.members.first?.name, participants: latch.members.map(\.name),
                value: shown.value ? latch.value : nil))
    }

    /// One field of one operation changed, or two answers swapped.
    static func flip(_ history: [ClientOperation], _ chance: inout SplitMix) -> [ClientOperation] {
        var flipped = history
        let number = Int(chance.next(below: UInt64(history.count)))
        let other = Int(chance.next(below: UInt64(history.count)))
        switch chance.next(below: 6) {
        case 0: flipped[number].outcome = changed(flipped[number], &chance)
        case 1, 2:
            if case .state = flipped[number].outcome, case .state = flipped[other].outcome {
                flipped[number].outcome = history[other].outcome
            } else {
                flipped[number].outcome = changed(flipped[number], &chance)
            }
        case 3:
            if let returned = flipped[number].returned {
                flipped[number].returned = max(
                    flipped[number].invoked,
                    returned - chance.next(below: min(returned, 60_000_000)))
            }
        case 4:
            if let returned = flipped[number].returned {
                flipped[number].invoked = min(
                    returned, flipped[number].invoked + chance.next(below: 60_000_000))
            }
        default:  // default: open set (a draw)
            flipped[number].outcome = changed(flipped[number], &chance)
        }
        return flipped
    }

    private static func changed(
        _ operation: ClientOperation, _ chance: inout SplitMix
    ) -> Outcome? {
        switch operation.outcome {
        case .alive: return .unknownSession
        case .unknownSession:
            if case .keepAlive = operation.call { return .alive }
            return .state(LatchView())
        case .done: return .denied(.tokenMoved)
        case .denied(.tokenMoved):
            if case .publish = operation.call { return .done }
            return chance.next(below: 2) == 0 ? .denied(.noSuchParticipant) : .state(LatchView())
        case .denied(.noSuchParticipant):
            return chance.next(below: 2) == 0 ? .denied(.tokenMoved) : .state(LatchView())
        case .state(var view):
            if let value = view.value, chance.next(below: 5) == 0 {
                view.value = value == "x" ? "" : "x"
                return .state(view)
            }
            if let token = view.token, token > 0, chance.next(below: 5) == 0 {
                view.token = token + 1 - chance.next(below: 2) * 2
                return .state(view)
            }
            switch chance.next(below: 5) {
            case 0: view.term += 1
            case 1: view.term = view.term > 0 ? view.term - 1 : 1
            case 2: if view.participants.count > 1 { view.participants.removeFirst() }
            case 3: if !view.participants.isEmpty { view.participants.removeLast() }
            default: view.participants.reverse()  // default: open set (a draw)
            }
            view.holder = view.participants.first
            return .state(view)
        case nil, .opened, .closed, .refused, .streamOpened, .streamClosed:
            return operation.outcome
        }
    }
}

extension SimpleLatch {
    /// The newest grant gets this token, if it has none.
    fileprivate mutating func take(token: UInt64) {
        if isTokenDue { self.token = token }
        isTokenDue = false
    }
}
