import LatchMachine
import PeerTransport
import RaftCore

// Linearizable reads: rounds with the leader, answers from the local machine.
extension LatchNode {
    func resolve(_ grant: ReadGrant) {
        let index: LogIndex?
        switch grant.result {
        case .granted(let granted): index = granted
        case .refused: index = nil
        }
        if let foreign = foreignReads.removeValue(forKey: grant.id.rawValue) {
            let reply = ReadIndexReply(number: foreign.number, index: index)
            _ = transport.send(.readIndexReply(reply), to: foreign.server)
        } else {
            reads.resolve(grant.id.rawValue, index)
        }
    }

    /// Answers every read whose index is applied and whose session has come far enough.
    func answerReads() {
        let answerable = reads.takeAnswerable(
            lastApplied: LogIndex(machine.lastApplied), touched: touchedSessions)
        touchedSessions.removeAll(keepingCapacity: true)
        for read in answerable {
            if let result = answer(read.query) {
                outbox.complete(read.sink, with: result)
            } else if case .get(_, let session, _) = read.query {
                let patience = now.advanced(byMilliseconds: settings.gapTimeoutMilliseconds)
                reads.park(read, for: session, until: min(read.deadline, patience))
            }
        }
    }

    /// The answer from local state, or nil if the read must wait for its session's commands.
    private func answer(_ query: ReadQuery) -> NodeResult? {
        switch query {
        case .get(let primitive, let session, let requestID):
            switch machine.get(primitive, session: session, requestID: requestID) {
            case .unknownSession: return .unknownSession
            case .notYet: return nil
            case .found(let state): return .latch(state, index: machine.lastApplied)
            }
        case .view(let primitive):
            return .view(machine.view(primitive), index: machine.lastApplied)
        case .list(let namespace, let prefix, let after, let limit):
            let rows = machine.latches(
                namespace: namespace, prefix: prefix, after: after, limit: limit)
            return .latches(
                rows.map { ListedLatch(name: $0.0, state: $0.1) }, index: machine.lastApplied)
        case .primitives(let namespace):
            return .primitives(machine.primitives(namespace: namespace))
        }
    }
}
