import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

// `atomix.leader.LeaderLatchService`, byte compatible (Docs/ClientAPI.md). A failure is status
// ERROR inside an OK call (W3), every reply carries its header (W1) and, where the contract says
// so, its latch (W2).
extension LatchService {
    private typealias Problem = AtomixRequest.Problem

    var atomixLatchMethods: [Method] {
        let path = "/atomix.leader.LeaderLatchService/"
        return [
            Method(path + "Create", kind: .unary) { create($0, $1) },
            Method(path + "KeepAlive", kind: .unary) { keepAlive($0, $1) },
            Method(path + "Close", kind: .unary) { close($0, $1) },
            Method(path + "Latch", kind: .unary) { latch($0, $1) },
            Method(path + "Get", kind: .unary) { get($0, $1) },
            Method(path + "Events", kind: .serverStreaming) { events($0, $1) },
        ]
    }

    private func create(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_CreateRequest.self, from: bytes) else {
            return
        }
        do {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            let timeout = try AtomixRequest.timeoutMilliseconds(
                request.timeout, isPresent: request.hasTimeout)
            let command = Command.openSession(header.primitive, timeoutMilliseconds: timeout)
            node.submit(.command(command, UnarySink(call) { Self.replyToCreate($0, $1) }))
        } catch {
            call.refuse(error) { Atomix_Leader_CreateResponse(header: $0) }
        }
    }

    private static func replyToCreate(_ call: Call, _ result: NodeResult) {
        guard case .answer(.sessionOpened(let session), let index) = result else {
            let failure = result.failure(session: 0)
            return call.reply(
                Atomix_Leader_CreateResponse(header: .error(session: 0)), failure: failure)
        }
        // S1: a session id and an index above zero, or the client stays on session 0 for ever.
        call.reply(
            Atomix_Leader_CreateResponse(
                header: .with {
                    $0.sessionID = session; $0.index = index
                }))
    }

    private func keepAlive(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_KeepAliveRequest.self, from: bytes) else {
            return
        }
        do {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            let session = header.session
            let renewal = Renewal(
                primitive: header.primitive, session: session,
                acknowledgedRequestID: header.requestID,
                streams: header.streams)
            node.submit(.renew(renewal, UnarySink(call) { Self.replyToKeepAlive($0, $1, session) }))
        } catch {
            call.refuse(error) { Atomix_Leader_KeepAliveResponse(header: $0) }
        }
    }

    private static func replyToKeepAlive(_ call: Call, _ result: NodeResult, _ session: SessionID) {
        switch result {
        case .renewed(true, _, _):
            call.reply(Atomix_Leader_KeepAliveResponse(header: .with { $0.sessionID = session }))
        case .renewed(false, _, _):
            // S11: never a gRPC error, or the client's keep-alive spins.
            call.reply(
                Atomix_Leader_KeepAliveResponse(header: .error(session: session)),
                failure: .unknownSession(session))
        case .answer, .latch, .unknownSession, .view, .localView, .latches,
            .primitives, .status, .failed:
            call.reply(
                Atomix_Leader_KeepAliveResponse(header: .error(session: session)),
                failure: result.failure(session: session))
        }
    }

    private func close(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_CloseRequest.self, from: bytes) else {
            return
        }
        do {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            let isDelete = request.delete
            let command: Command =
                isDelete
                ? .deletePrimitive(header.primitive)
                : .closeSession(header.primitive, header.session)
            // S9, S10: a delete is answered with an empty header, a close with its session.
            let session = isDelete ? 0 : header.session
            node.submit(
                .command(
                    command,
                    UnarySink(call) { call, result in
                        if case .answer(.closed, _) = result {
                            call.reply(
                                Atomix_Leader_CloseResponse(
                                    header: .with { $0.sessionID = session }))
                        } else {
                            call.reply(
                                Atomix_Leader_CloseResponse(header: .error(session: session)),
                                failure: result.failure(session: session))
                        }
                    }))
        } catch {
            call.refuse(error) { Atomix_Leader_CloseResponse(header: $0) }
        }
    }

    private func latch(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_LatchRequest.self, from: bytes) else {
            return
        }
        do throws(Problem) {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            try AtomixRequest.check(request.participantID, "participant id")
            guard !request.participantID.isEmpty else {
                throw Problem.refused(
                    Failure(reason: .invalid, message: "the participant id is empty"))
            }
            let session = header.session
            let command = Command.latch(
                header.primitive, session, requestID: header.requestID,
                participant: request.participantID)
            node.submit(.command(command, UnarySink(call) { Self.replyToLatch($0, $1, session) }))
        } catch {
            call.refuse(error) { Atomix_Leader_LatchResponse(header: $0) }
        }
    }

    private static func replyToLatch(_ call: Call, _ result: NodeResult, _ session: SessionID) {
        guard case .answer(.latched(let state, let index), _) = result else {
            return call.reply(
                Atomix_Leader_LatchResponse(header: .error(session: session)),
                failure: result.failure(session: session))
        }
        var response = Atomix_Leader_LatchResponse(
            header: .with {
                $0.sessionID = session
                // As recorded from the original server: the stream of a unary command is its
                // session.
                $0.streamID = session
                $0.responseID = 1
                $0.index = index
            })
        response.latch = Atomix_Leader_Latch(state)
        call.reply(response)
    }

    private func get(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_GetRequest.self, from: bytes) else { return }
        do {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            let session = header.session
            let query = ReadQuery.get(header.primitive, session, requestID: header.requestID)
            node.submit(.read(query, UnarySink(call) { Self.replyToGet($0, $1, session) }))
        } catch {
            call.refuse(error) { Atomix_Leader_GetResponse(header: $0) }
        }
    }

    private static func replyToGet(_ call: Call, _ result: NodeResult, _ session: SessionID) {
        guard case .latch(let state, let index) = result else {
            return call.reply(
                Atomix_Leader_GetResponse(header: .error(session: session)),
                failure: result.failure(session: session))
        }
        var response = Atomix_Leader_GetResponse(
            header: .with {
                $0.sessionID = session; $0.index = index
            })
        response.latch = Atomix_Leader_Latch(state)
        call.reply(response)
    }

    private func events(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Atomix_Leader_EventRequest.self, from: bytes) else {
            return
        }
        do throws(Problem) {
            let header = try AtomixRequest(request.header, isPresent: request.hasHeader)
            guard header.requestID > 0 else {
                throw .refused(
                    Failure(reason: .invalid, message: "a stream needs a request id above 0"))
            }
            let key = StreamKey(session: header.session, stream: header.requestID)
            let command = Command.openStream(
                header.primitive, header.session, requestID: header.requestID, index: header.index)
            node.submit(.subscribe(command, EventsStream(call, key: key, node: node)))
        } catch {
            switch error {
            case .malformed(let message):
                call.finish(GRPCStatus(code: .invalidArgument, message: message))
            case .refused(let failure):
                let key = StreamKey(
                    session: request.header.sessionID, stream: request.header.requestID)
                call.refuseStream(key, failure)
            }
        }
    }
}

extension NodeResult {
    /// The reason for a result that is not the success a method expects.
    func failure(session: SessionID) -> Failure {
        switch self {
        case .failed(let failure): return Failure(failure)
        case .unknownSession: return .unknownSession(session)
        case .answer(.refused(let rejection), _): return Failure(rejection, session: session)
        case .answer, .renewed, .latch, .view, .localView, .latches, .primitives,
            .status:
            return Failure(
                reason: .outcomeUnknown, message: "the cluster gave an answer of another kind")
        }
    }
}

extension Atomix_Headers_ResponseHeader {
    static func error(session: SessionID) -> Self {
        .with {
            $0.sessionID = session
            $0.status = .error
        }
    }
}

extension Atomix_Leader_Latch {
    init(_ state: LatchState) {
        self.init()
        id = state.term
        leader = state.holder ?? ""
        participants = state.participants
    }
}

/// The replies that carry a header.
protocol AtomixResponse {
    init()
    var header: Atomix_Headers_ResponseHeader { get set }
}

extension AtomixResponse {
    init(header: Atomix_Headers_ResponseHeader) {
        self.init()
        self.header = header
    }
}

extension Atomix_Leader_CreateResponse: AtomixResponse {}
extension Atomix_Leader_KeepAliveResponse: AtomixResponse {}
extension Atomix_Leader_CloseResponse: AtomixResponse {}
extension Atomix_Leader_LatchResponse: AtomixResponse {}
extension Atomix_Leader_GetResponse: AtomixResponse {}
extension Atomix_Leader_EventResponse: AtomixResponse {}
