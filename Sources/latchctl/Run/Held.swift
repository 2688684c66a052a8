import LatchClient
import Synchronization

/// The hold of the attempt that runs, for those who look at it beside the one who made it.
final class Held: Sendable {
    private let hold = Mutex<LatchHold?>(nil)

    var current: LatchHold? { hold.withLock { $0 } }

    func set(_ new: LatchHold) { hold.withLock { $0 = new } }

    /// The hold, which is nobody's any more.
    func take() -> LatchHold? {
        hold.withLock { hold in
            defer { hold = nil }
            return hold
        }
    }
}

extension RunGrant {
    init(_ grant: LatchGrant) {
        self.init(
            fencingToken: grant.fencingToken, term: grant.term,
            deadline: BootTime(noLaterThan: grant.deadline))
    }
}

extension LatchError {
    /// Nothing is wrong with what was asked: it may work later.
    var isWorthAnotherAttempt: Bool {
        switch code {
        case .unreachable, .noLeader, .overloaded, .outcomeUnknown, .sessionLost:
            true
        case .invalidArgument, .notFound, .refused, .grantLost, .tokenMoved, .waitedTooLong,
            .shutDown:
            false
        }
    }
}
