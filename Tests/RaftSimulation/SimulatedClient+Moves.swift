import LatchMachine
import RaftCore

// Leaving, handing over, publishing, and what operators do.

extension SimulatedClient {
    /// One of these commands, with a token and a participant that are often right.
    func move(_ session: SessionID) -> Command {
        let token = generator { $0.happens(permille: 100) } ? 1 : lastState.fencingToken
        let waiting = lastState.participants.dropFirst()
        let names = Array(waiting.isEmpty ? lastState.participants[...] : waiting)
        let other = names.isEmpty ? "shared" : generator { $0.pick(names) }
        let isUnsequenced = generator {
            $0.happens(permille: simulation.options.clients.unsequencedPermille)
        }
        let wish = generator { $0.below(8) }
        switch wish {
        case 0, 1:
            let own = generator { $0.happens(permille: 100) } ? "shared" : "p\(number)-\(session)"
            return .leave(
                name, session, requestID: isUnsequenced ? 0 : takeRequestID(), participant: own)
        case 2, 3:
            return .handOver(
                name, session, requestID: isUnsequenced ? 0 : takeRequestID(),
                fencingToken: token, to: other)
        case 4:
            return .handOver(name, 0, requestID: 0, fencingToken: token, to: other)
        case 5:
            let isHolder = generator { $0.happens(permille: 500) }
            return .evict(
                name, participant: isHolder ? lastState.holder ?? other : other,
                session: generator { $0.happens(permille: 200) } ? session : 0,
                fencingToken: generator { $0.happens(permille: 500) } ? token : 0)
        default:  // default: open set (a draw)
            return .publish(
                name, session, requestID: isUnsequenced ? 0 : takeRequestID(),
                fencingToken: token, value: "v\(nextRequestID)")
        }
    }

    private func generator<Drawn>(_ draw: (inout SeededGenerator) -> Drawn) -> Drawn {
        draw(&simulation.generator)
    }
}
