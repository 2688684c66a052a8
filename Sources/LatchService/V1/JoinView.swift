import LatchAPI
import LatchMachine

/// What a Join tells of one participant, from what a latch looks like.
struct JoinView {
    let session: SessionID
    let participant: String
    /// The log index of the join: what ended before is of an earlier stay.
    var joinedAt: UInt64 = 0

    /// Where the participant stands in the latch as it is shown.
    func response(to view: LatchView?, index: UInt64) -> Latchd_V1_JoinResponse {
        var response = Latchd_V1_JoinResponse()
        response.index = index
        guard let view else {
            response.state = .out
            response.cause = .deleted
            return response
        }
        response.participants = UInt32(clamping: view.owners.count)
        guard let position = position(in: view) else {
            response.state = .out
            response.cause = cause(in: view)
            return response
        }
        response.position = UInt32(clamping: position)
        response.state = position == 0 ? .holding : .queued
        if position == 0 {
            response.fencingToken = view.state.fencingToken
            response.term = view.state.term
        }
        return response
    }

    /// Whether a participant that is out is so because its session is over.
    func isSessionOver(in view: LatchView?) -> Bool {
        view.map { !$0.isOpen(session: session) } ?? true
    }

    private func position(in view: LatchView) -> Int? {
        view.owners.indices.first { position in
            view.owners[position] == session
                && view.state.participants[position].utf8.elementsEqual(participant.utf8)
        }
    }

    /// Why the last term of this participant ended. One that only waited is in no ledger; one that
    /// was handed over waited again afterwards.
    private func cause(in view: LatchView) -> Latchd_V1_Cause {
        let last = view.ledger.last { record in
            record.session == session && record.holder.utf8.elementsEqual(participant.utf8)
        }
        guard let ended = last?.ended, ended.index > joinedAt, ended.cause != .handedOver
        else { return .unspecified }
        return Latchd_V1_Cause(ended.cause)
    }
}
