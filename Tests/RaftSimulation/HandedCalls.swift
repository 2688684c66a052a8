import LatchMachine
import PeerTransport
import RaftCore

/// What one node has handed to leaders of others. A call that must not be applied twice goes to the
/// leader of a term once, unless that leader refuses it (I12).
struct HandedCalls {
    private struct Handed: Hashable {
        let number: UInt64
        let term: Term
    }

    private var handed: Set<Handed> = []

    mutating func noteSent(_ frame: PeerFrame, by id: ServerID) throws(Violation) {
        guard case .proposals(let forwarded) = frame else { return }
        for proposal in forwarded.proposals {
            guard let command = try? Command(decoding: proposal.command),
                !command.mayBeAppliedTwice
            else { continue }
            try require(
                handed.insert(Handed(number: proposal.number, term: forwarded.term)).inserted,
                "I12 exactly once",
                "\(id) hands call \(proposal.number), \(command), to the leader of "
                    + "\(forwarded.term) a second time")
        }
    }

    mutating func noteReceived(_ frame: PeerFrame) {
        guard case .proposalsRefused(let refused) = frame else { return }
        for number in refused.numbers {
            handed.remove(Handed(number: number, term: refused.term))
        }
    }
}

extension Command {
    /// Whether a second copy in the log changes nothing and deceives nobody.
    var mayBeAppliedTwice: Bool {
        switch self {
        case .openSession, .deletePrimitive, .latch(_, _, requestID: 0, _): false
        case .leaderElected, .renew, .closeSession, .latch, .openStream, .closeGap, .expire: true
        }
    }
}
