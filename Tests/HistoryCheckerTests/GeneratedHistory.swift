import HistoryChecker
import SeededRandom

/// Runs clients with concurrency against ``SimpleLatch``: a history that is good by construction.
enum GeneratedHistory {
    /// - Parameter deletes: whether clients delete the latch now and then.
    static func make(
        seed: UInt64, operations count: Int = 8, deletes: Bool = false
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
        while history.count < count {
            now += 1 + chance.next(below: 20) * 1_000_000
            index += 1
            // Each takes effect at `now`, sent up to 15 ms before and answered up to 15 ms after.
            let due = sessions.filter { expiry[$0] ?? .max < now && !latch.ended.contains($0) }
            if !due.isEmpty, chance.next(below: 2) == 0 {
                latch.end(chance.next(below: 2) == 0 ? Set(due) : [due[0]])
                continue
            }
            let invoked = now - chance.next(below: min(15_000_000, now))
            var operation = ClientOperation(
                id: history.count + 1, client: 0, invoked: invoked,
                returned: now + chance.next(below: 15_000_000),
                call: .read(latch: "a", session: nil))
            let kind = sessions.count < 2 ? 0 : chance.next(below: 12)
            let session =
                sessions.isEmpty ? 0 : sessions[Int(chance.next(below: UInt64(sessions.count)))]
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
            } else if kind < 6 {
                requests[session, default: 0] += 1
                let name = chance.next(below: 6) == 0 ? "shared" : "p\(session)"
                operation.call = .join(
                    latch: "a", session: session, requestID: requests[session] ?? 0,
                    participant: name)
                if !isOver { _ = latch.join(name, session, request: requests[session] ?? 0) }
                operation.outcome = isOver ? .unknownSession : view(of: latch)
                if chance.next(below: 8) == 0 {
                    operation.outcome = nil
                    operation.returned = nil
                }
            } else if kind < 8 {
                operation.call = .keepAlive(latch: "a", session: session)
                operation.outcome = isOver ? .unknownSession : .alive
                if !isOver { expiry[session] = now + timeouts[session, default: 0] }
                carriesIndex = false
            } else if deletes, kind == 9 {
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
                carriesIndex = false
            } else {
                operation.outcome = view(of: latch)
            }
            let isAnswered = operation.outcome != nil && operation.outcome != .unknownSession
            if withIndexes, carriesIndex, isAnswered { operation.index = index }
            history.append(operation)
        }
        return history
    }

    private static func view(of latch: SimpleLatch) -> Outcome {
        .state(
            LatchView(
                term: latch.term, holder: latch.members.first?.name,
                participants: latch.members.map(\.name)))
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
        case .state(var view):
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
