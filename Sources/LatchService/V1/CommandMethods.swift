import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

// `latchd.v1.LatchService`: what participants and operators do to a latch.
extension LatchService {
    func leave(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_LeaveRequest.self, bytes) { request throws(Failure) in
            let (name, session) = try LatchRequest.session(
                request.session, isPresent: request.hasSession)
            let participant = try LatchRequest.participant(request.participant)
            change(
                call,
                .leave(name, session, requestID: request.requestID, participant: participant),
                Subject(name, session: session, participant: participant)
            ) { call, state, index in
                call.reply(
                    Latchd_V1_LeaveResponse.with {
                        $0.state = state
                        $0.index = index
                    })
            }
        }
    }

    func handOver(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_HandOverRequest.self, bytes) { request throws(Failure) in
            let (name, session) = try Self.handOverParty(request)
            let token = try LatchRequest.token(request.fencingToken)
            let to = try LatchRequest.participant(request.to, field: "to")
            change(
                call,
                .handOver(
                    name, session, requestID: request.requestID, fencingToken: token, to: to),
                Subject(name, session: session, participant: to, token: token)
            ) { call, state, index in
                call.reply(
                    Latchd_V1_HandOverResponse.with {
                        $0.state = state
                        $0.index = index
                    })
            }
        }
    }

    /// Who hands over which latch: its holder's session, or 0 for an operator.
    private static func handOverParty(
        _ request: Latchd_V1_HandOverRequest
    ) throws(Failure) -> (name: PrimitiveName, session: SessionID) {
        guard request.hasSession else {
            guard request.requestID == 0 else {
                throw .invalid("request_id is \(request.requestID) without a session: leave it 0")
            }
            return (try LatchRequest.name(request.latch, isPresent: request.hasLatch), 0)
        }
        let (name, session) = try LatchRequest.session(request.session, isPresent: true)
        guard request.hasLatch else { return (name, session) }
        guard try LatchRequest.name(request.latch, isPresent: true) == name else {
            throw .invalid("latch and session.latch differ: a session is on one latch")
        }
        return (name, session)
    }

    func publish(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_PublishRequest.self, bytes) { request throws(Failure) in
            let (name, session) = try LatchRequest.session(
                request.session, isPresent: request.hasSession)
            let token = try LatchRequest.token(request.fencingToken)
            try LatchRequest.check(request.value, "value")
            let subject = Subject(name, session: session, token: token)
            let sink = UnarySink(call) { call, result in
                guard case .answer(.latched(_, let index), _) = result else {
                    return call.fail(result.failure(about: subject))
                }
                call.reply(Latchd_V1_PublishResponse.with { $0.index = index })
            }
            node.submit(
                .command(
                    .publish(
                        name, session, requestID: request.requestID, fencingToken: token,
                        value: request.value),
                    sink))
        }
    }

    func evict(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_EvictRequest.self, bytes) { request throws(Failure) in
            let name = try LatchRequest.name(request.latch, isPresent: request.hasLatch)
            let participant = try LatchRequest.participant(request.participant)
            change(
                call,
                .evict(
                    name, participant: participant, session: request.sessionID,
                    fencingToken: request.fencingToken),
                Subject(name, participant: participant, token: request.fencingToken)
            ) { call, state, index in
                call.reply(
                    Latchd_V1_EvictResponse.with {
                        $0.state = state
                        $0.index = index
                    })
            }
        }
    }

    /// Has a command decided, and answers with the latch as it stands after it. The machine's
    /// answer has no sessions in it, so the latch is looked at once more, on this node.
    private func change(
        _ call: Call, _ command: Command, _ subject: Subject,
        _ reply: @escaping (Call, Latchd_V1_LatchState, UInt64) -> Void
    ) {
        let node = node
        let sink = UnarySink(call) { call, result in
            guard case .answer(.latched(let state, let decided), _) = result else {
                return call.fail(result.failure(about: subject))
            }
            let look = UnarySink(call) { call, result in
                if case .localView(.some(let view), let index, _) = result {
                    reply(call, Latchd_V1_LatchState(view), index)
                } else {
                    reply(call, Latchd_V1_LatchState(state, owners: []), decided)
                }
            }
            node.submit(.localView(subject.name, look))
        }
        node.submit(.command(command, sink))
    }
}
