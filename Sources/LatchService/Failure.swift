import LatchMachine
import LatchNode

/// Why a call failed, in the words of the trailing metadata `latchd-reason` and `latchd-message`.
///
/// Atomix knows one failure, status ERROR; stock clients ignore the metadata.
struct Failure: Error, Equatable, Sendable {
    enum Reason: String, Sendable {
        case unknownSession = "unknown-session"
        case noLeader = "no-leader"
        case overloaded = "overloaded"
        case limit = "limit"
        case outcomeUnknown = "outcome-unknown"
        case alreadyAcknowledged = "already-acknowledged"
        case gap = "gap"
        case invalid = "invalid"
        case tokenMoved = "token-moved"
        case noSuchParticipant = "no-such-participant"
        case noSuchLatch = "no-such-latch"
    }

    let reason: Reason
    let message: String

    var trailers: [(name: String, value: String)] {
        [("latchd-reason", reason.rawValue), ("latchd-message", message)]
    }

    static func unknownSession(_ session: SessionID) -> Failure {
        Failure(
            reason: .unknownSession,
            message:
                "session \(session) is not open on this primitive: it expired, was closed, or never was; create one"
        )
    }

    init(reason: Reason, message: String) {
        self.reason = reason
        self.message = message
    }

    init(_ rejection: Rejection, session: SessionID) {
        switch rejection {
        case .tokenMoved:
            self.init(
                reason: .tokenMoved,
                message: "the fencing token is not the one of the grant that lasts, or the holder "
                    + "is of another session; nothing was done")
        case .noSuchParticipant:
            self.init(
                reason: .noSuchParticipant,
                message: "the latch has no such participant; nothing was done")
        case .noSuchPrimitive:
            self.init(
                reason: .noSuchLatch, message: "there is no such latch; nothing was done")
        case .unknownSession:
            self = .unknownSession(session)
        case .alreadyAcknowledged:
            self.init(
                reason: .alreadyAcknowledged,
                message:
                    "the request id was applied or given up, and its answer is no longer kept; use the next id"
            )
        case .gap:
            self.init(
                reason: .gap,
                message:
                    "an earlier request id of the session never came; ids up to this one are void, use the next"
            )
        case .requestMismatch:
            self.init(
                reason: .invalid, message: "the request id was used before for another request")
        case .limit(let text):
            self.init(reason: .limit, message: "a limit of the cluster is reached: \(text)")
        case .tooManyHeld:
            self.init(
                reason: .overloaded,
                message: "too many requests of the session wait for an earlier request id; "
                    + "nothing was done, repeat it when that one is answered")
        }
    }

    init(_ failure: NodeFailure) {
        switch failure {
        case .noLeader:
            self.init(
                reason: .noLeader,
                message: "no leader was found in time; nothing was done, try again")
        case .overloaded(let text):
            self.init(reason: .overloaded, message: "nothing was done: \(text); try again later")
        case .outcomeUnknown:
            self.init(
                reason: .outcomeUnknown,
                message:
                    "the command may or may not have been applied; repeat it with the same request id"
            )
        case .notUnderstood:
            self.init(
                reason: .invalid,
                message: "nothing was done: the leader does not know this command; "
                    + "are all nodes of the same version?")
        case .gap:
            self.init(reason: .gap, message: "the session's earlier requests did not come in time")
        case .shuttingDown:
            self.init(
                reason: .noLeader,
                message: "nothing was done: this node is stopping, use another one")
        }
    }
}
