import LatchMachine
import PeerTransport
import RaftCore

/// What one node has handed to leaders of others. A call goes to the leader of a term once, unless
/// that leader refuses it, or, if it may be applied twice, a link has come back (I12).
struct HandedCalls {
    private struct Handed: Hashable {
        let number: UInt64
        let term: Term
    }

    /// Whether each may be applied twice.
    private var handed: [Handed: Bool] = [:]

    mutating func noteSent(_ frame: PeerFrame, by id: ServerID) throws(Violation) {
        guard case .proposals(let forwarded) = frame else { return }
        for proposal in forwarded.proposals {
            guard let command = try? Command(decoding: proposal.command) else { continue }
            let call = Handed(number: proposal.number, term: forwarded.term)
            try require(
                handed.updateValue(command.mayBeAppliedTwice, forKey: call) == nil,
                "I12 exactly once",
                "\(id) hands call \(proposal.number), \(command), to the leader of "
                    + "\(forwarded.term) a second time")
        }
    }

    /// Returns whether the frame refuses a call that was handed on to a later leader since.
    mutating func noteReceived(_ frame: PeerFrame) -> Bool {
        guard case .proposalsRefused(let refused) = frame else { return false }
        for number in refused.numbers {
            handed[Handed(number: number, term: refused.term)] = nil
        }
        let numbers = Set(refused.numbers)
        return handed.keys.contains { numbers.contains($0.number) && $0.term > refused.term }
    }

    /// What was sent over an older link may be lost.
    mutating func noteLinkUp() {
        handed = handed.filter { !$0.value }
    }
}

extension Command {
    /// Whether a second copy in the log changes nothing and deceives nobody.
    var mayBeAppliedTwice: Bool {
        switch self {
        case .latch(_, _, let requestID, _), .leave(_, _, let requestID, _),
            .handOver(_, _, let requestID, _, _), .publish(_, _, let requestID, _, _):
            requestID > 0
        case .openSession, .deletePrimitive, .evict: false
        case .leaderElected, .renew, .closeSession, .openStream, .closeGap, .expire: true
        }
    }
}
