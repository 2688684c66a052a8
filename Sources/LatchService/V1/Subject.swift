import LatchMachine
import LatchNode

/// What a call of `latchd.v1` is about, for the words of its failure.
struct Subject {
    let name: PrimitiveName
    var session: SessionID = 0
    var participant = ""
    var token: UInt64 = 0

    init(
        _ name: PrimitiveName, session: SessionID = 0, participant: String = "", token: UInt64 = 0
    ) {
        self.name = name
        self.session = session
        self.participant = participant
        self.token = token
    }

    /// The latch, as people write it.
    var latch: String {
        name.namespace.isEmpty ? "\"\(name.name)\"" : "\"\(name.namespace)/\(name.name)\""
    }

    /// What a refusal of the machine means to this caller.
    func failure(_ rejection: Rejection) -> Failure {
        switch rejection {
        case .unknownSession:
            unknownSession
        case .tokenMoved:
            Failure(
                reason: .tokenMoved,
                message: "token \(token) is not the current grant of latch \(latch)"
                    + (session == 0 ? "" : ", or not of session \(session)")
                    + ": the latch has passed on; nothing was done, GetLatch tells who holds it")
        case .noSuchParticipant:
            Failure(
                reason: .noSuchParticipant,
                message: "latch \(latch) has no such participant \"\(participant)\""
                    + " that waits for a hand-over, or is in it under the session that was given:"
                    + " nothing was done, GetLatch tells who takes part")
        case .noSuchPrimitive:
            noSuchLatch
        case .alreadyAcknowledged, .gap, .requestMismatch, .limit, .tooManyHeld:
            Failure(rejection, session: session)
        }
    }

    var unknownSession: Failure {
        Failure(
            reason: .unknownSession,
            message: "session \(session) on latch \(latch) is over: it expired, was closed, or its "
                + "latch was deleted; open a new one and join again")
    }

    var noSuchLatch: Failure {
        Failure(
            reason: .noSuchLatch,
            message: "there is no latch \(latch): nobody ever opened a session on it, or it was "
                + "deleted; check namespace and name, ListLatches tells what there is")
    }
}

extension NodeResult {
    /// The reason for a result that is not the success a method expects.
    func failure(about subject: Subject) -> Failure {
        if case .answer(.refused(let rejection), _) = self { return subject.failure(rejection) }
        if case .unknownSession = self { return subject.unknownSession }
        return failure(session: subject.session)
    }
}
