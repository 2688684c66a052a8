import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

@testable import LatchService

// What a call may answer.
extension ServiceCall {
    /// The call has told what the cluster answered.
    func check(
        _ stage: ServiceStage, _ answer: ClusterAnswer, _ request: Request
    ) throws(FuzzFinding) {
        switch self {
        case .observe: return try checkObserve(stage, answer, request)
        case .getLatch:
            // Only a linearizable read is the cluster's to refuse.
            if case .localView = request.question { return try checkGetLatch(stage, answer) }
        case .join:
            if case .decided = answer { return try checkJoin(stage) }
            if case .absent = answer { return try checkJoin(stage) }
        case .openSession, .closeSession, .leave, .handOver, .publish, .evict, .history,
            .checkToken, .listLatches, .keepAlive, .reflect:
            break
        }
        switch answer {
        case .failed(let failure): try stage.expect(Failure(failure))
        case .refused(let rejection): try stage.expect(Failure(rejection, session: 1))
        case .unknownSession: try stage.expect(.unknownSession(1))
        case .decided, .absent: try checkReply(stage, answer, request)
        }
    }

    private func checkReply(
        _ stage: ServiceStage, _ answer: ClusterAnswer, _ request: Request
    ) throws(FuzzFinding) {
        let state = ClusterAnswer.view.state
        let isAbsent = if case .absent = answer { true } else { false }
        switch self {
        case .openSession:
            let reply = try only(Latchd_V1_OpenSessionResponse.self, stage)
            let life = reply.life
            guard reply.session.id == ClusterAnswer.session, life.state == .alive,
                life.sessionID == reply.session.id, (1..<request.timeout).contains(life.validForMs),
                let name = Self.name(reply.session.latch, reply.session.hasLatch),
                request.question
                    == Question(.openSession(name, timeoutMilliseconds: request.timeout))
            else { throw FuzzFinding("\(reply) does not fit its request") }
        case .closeSession: _ = try only(Latchd_V1_CloseSessionResponse.self, stage)
        case .leave: _ = try only(Latchd_V1_LeaveResponse.self, stage)
        case .handOver: _ = try only(Latchd_V1_HandOverResponse.self, stage)
        case .publish: _ = try only(Latchd_V1_PublishResponse.self, stage)
        case .evict: _ = try only(Latchd_V1_EvictResponse.self, stage)
        case .getLatch: try checkGetLatch(stage, answer)
        case .history where isAbsent: try stage.expect(Failure(reason: .noSuchLatch, message: ""))
        case .history:
            let reply = try only(Latchd_V1_HistoryResponse.self, stage)
            let kept = ClusterAnswer.view.ledger.map(\.fencingToken)
            guard reply.terms.map(\.fencingToken) == kept.filter({ $0 > request.token }) else {
                throw FuzzFinding("the history after \(request.token) is \(reply.terms)")
            }
        case .checkToken:
            let reply = try only(Latchd_V1_CheckTokenResponse.self, stage)
            let token = request.token
            let isKept = ClusterAnswer.view.ledger.contains { $0.fencingToken == token }
            let verdict: Latchd_V1_TokenVerdict =
                isAbsent || !isKept
                ? .unknown : token == state.fencingToken ? .current : .outdated
            guard reply.verdict == verdict else {
                throw FuzzFinding("token \(token) is said to be \(reply.verdict)")
            }
        case .listLatches:
            let reply = try only(Latchd_V1_ListLatchesResponse.self, stage)
            guard reply.latches.count == (isAbsent ? 0 : request.pageSize),
                reply.nextPageToken == (isAbsent ? "" : ClusterAnswer.view.name.pageToken)
            else { throw FuzzFinding("a page of \(request.pageSize) has \(reply.latches.count)") }
        case .join, .observe, .keepAlive, .reflect: break
        }
    }

    /// The messages that were not read yet.
    private func messages<Message: SwiftProtobuf.Message & Equatable>(
        _ type: Message.Type, _ stage: ServiceStage
    ) throws(FuzzFinding) -> [Message] {
        var messages: [Message] = []
        for bytes in try stage.takeMessages() {
            guard let message = try message(type, bytes) else {
                throw FuzzFinding("an answer is no \(Message.protoMessageName)")
            }
            messages.append(message)
        }
        return messages
    }

    /// The one answer of a call that ended well.
    private func only<Message: SwiftProtobuf.Message & Equatable>(
        _ type: Message.Type, _ stage: ServiceStage
    ) throws(FuzzFinding) -> Message {
        let messages = try messages(type, stage)
        guard messages.count == 1, let trailers = try stage.trailers(),
            trailers == ["grpc-status": "0"]
        else { throw FuzzFinding("not one answer and OK: \(messages)") }
        return messages[0]
    }

    private func checkGetLatch(
        _ stage: ServiceStage, _ answer: ClusterAnswer
    ) throws(FuzzFinding) {
        if case .absent = answer {
            return try stage.expect(Failure(reason: .noSuchLatch, message: ""))
        }
        let reply = try only(Latchd_V1_GetLatchResponse.self, stage)
        guard reply.latch.state == Latchd_V1_LatchState(ClusterAnswer.view) else {
            throw FuzzFinding("\(reply) is not the latch")
        }
    }

    /// A participant of the latch hears where it stands; any other one that it is out, and why the
    /// stream ends.
    private func checkJoin(_ stage: ServiceStage) throws(FuzzFinding) {
        let replies = try messages(Latchd_V1_JoinResponse.self, stage)
        guard replies.count == 1, let reply = replies.first else {
            throw FuzzFinding("not one answer: \(replies)")
        }
        let isHolding = reply.state == .holding
        guard (reply.fencingToken != 0) == isHolding, reply.index == ClusterAnswer.view.index,
            reply.state != .queued || reply.position > 0, !isHolding || reply.position == 0
        else { throw FuzzFinding("\(reply) contradicts itself") }
        if reply.state == .out {
            guard let trailers = try stage.trailers(),
                ["0", "9"].contains(trailers["grpc-status"])
            else { throw FuzzFinding("who is out waits on") }
        }
    }

    /// First the latch as it stands with what the reader lacks of the terms, then silence.
    private func checkObserve(
        _ stage: ServiceStage, _ answer: ClusterAnswer, _ request: Request
    ) throws(FuzzFinding) {
        if case .failed(let failure) = answer { return try stage.expect(Failure(failure)) }
        let replies = try messages(Latchd_V1_ObserveResponse.self, stage)
        guard replies.count == 1, let reply = replies.first, stage.call.isOpen else {
            throw FuzzFinding("not one answer of an open stream: \(replies)")
        }
        let isAbsent = if case .absent = answer { true } else { false }
        let tokens = reply.terms.map(\.fencingToken)
        guard reply.hasState != isAbsent, tokens == tokens.sorted(),
            tokens.allSatisfy({ $0 >= request.token })
        else { throw FuzzFinding("after \(request.token) it is told \(reply)") }
    }

    // MARK: - KeepAlive

    /// Every beat within the limits asks for its sessions' renewals in order, and is answered in
    /// order with what became of each. The first that is not ends the call.
    ///
    /// - Parameter option: bit 0: the cluster answers after the last beat; bit 1: it never answers.
    func runKeepAlive(
        _ stage: ServiceStage, _ option: UInt8, _ parts: [[UInt8]]
    ) throws(FuzzFinding) {
        let (answersLate, isSilent) = (option & 1 != 0, option & 2 != 0)
        var beats: [Latchd_V1_KeepAliveRequest] = []
        /// Whether the one that is to be refused is a message; nil: there is none so far.
        var refused: Bool?
        var asked: [Renewal] = []
        var replies: [Latchd_V1_KeepAliveResponse] = []
        func answer() throws(FuzzFinding) {
            while true {
                if isSilent { stage.passTime() }
                let requests = stage.takeRequests()
                for case .renew(let renewal, _) in requests { asked.append(renewal) }
                if !isSilent { for request in requests { ClusterAnswer.decided.answer(request) } }
                replies += try messages(Latchd_V1_KeepAliveResponse.self, stage)
                if requests.isEmpty { return }
            }
        }
        for part in parts where refused == nil {
            let beat = try message(Latchd_V1_KeepAliveRequest.self, part)
            if let beat, beat.sessions.count <= 1_000,
                beat.sessions.allSatisfy({ Self.session($0, true) != nil })
            {
                beats.append(beat)
            } else {
                refused = beat != nil
            }
            stage.send(part)
            if !answersLate { try answer() }
        }
        stage.halfClose()
        try answer()
        if let refused {
            try stage.expectRefusal(isMessage: refused)
        } else if try stage.trailers()?["grpc-status"] != "0" {
            throw FuzzFinding("a stream that the client half-closed does not end well")
        }
        try Self.compare(beats, asked, replies, isSilent, isWhole: refused == nil)
    }

    private static func compare(
        _ beats: [Latchd_V1_KeepAliveRequest], _ asked: [Renewal],
        _ replies: [Latchd_V1_KeepAliveResponse], _ isSilent: Bool, isWhole: Bool
    ) throws(FuzzFinding) {
        let expected = beats.flatMap { beat in
            beat.sessions.compactMap { sent in
                session(sent, true).map {
                    Renewal(
                        primitive: $0.name, session: $0.id, acknowledgedRequestID: 0, streams: [])
                }
            }
        }
        guard asked.elementsEqual(expected.prefix(asked.count)),
            isWhole ? asked.count == expected.count : asked.count <= expected.count
        else { throw FuzzFinding("\(asked) is renewed, not \(expected)") }
        guard isWhole ? replies.count == beats.count : replies.count <= beats.count else {
            throw FuzzFinding("\(beats.count) beats have \(replies.count) answers")
        }
        for (reply, beat) in zip(replies, beats) {
            let lives = beat.sessions.map { expectedLife($0.id, isSilent) }
            let told = reply.sessions.map {
                Life(
                    session: $0.sessionID, state: $0.state, validFor: $0.validForMs,
                    token: $0.fencingToken)
            }
            guard reply.sequence == beat.sequence, told == lives else {
                throw FuzzFinding("beat \(beat.sequence) is answered with \(reply)")
            }
        }
    }

    private struct Life: Equatable {
        let session: SessionID
        let state: Latchd_V1_SessionState
        let validFor: UInt64
        let token: UInt64
    }

    /// A timeout of 10 ms is certain for 9, one of a day for a thousandth less.
    private static func expectedLife(_ session: SessionID, _ isSilent: Bool) -> Life {
        guard !isSilent,
            case .renewed(let isAlive, let timeout, let view) =
                ClusterAnswer.renewed(session)
        else { return Life(session: session, state: .jeopardy, validFor: 0, token: 0) }
        guard isAlive else { return Life(session: session, state: .lost, validFor: 0, token: 0) }
        let isHolding = view != nil && session == ClusterAnswer.session
        return Life(
            session: session, state: .alive, validFor: timeout == 10 ? 9 : 86_313_600,
            token: isHolding ? ClusterAnswer.view.state.fencingToken : 0)
    }

    // MARK: - Reflection

    /// Every request is answered, in order, with itself and with files that decode, names or an
    /// error. One that is none, or is longer than any name, ends the call.
    func runReflection(_ stage: ServiceStage, _ parts: [[UInt8]]) throws(FuzzFinding) {
        typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
        typealias Response = Grpc_Reflection_V1_ServerReflectionResponse
        for part in parts {
            let request = try message(Request.self, part)
            stage.send(part)
            let replies = try messages(Response.self, stage)
            guard let request, part.count <= 4_096 else {
                guard replies.isEmpty else { throw FuzzFinding("it is answered: \(replies)") }
                return try stage.expectRefusal(isMessage: false)
            }
            guard replies.count == 1, replies[0].originalRequest == request,
                replies[0].validHost == request.host, let told = replies[0].messageResponse
            else { throw FuzzFinding("\(request) is answered with \(replies)") }
            try Self.checkReflection(request.messageRequest, told)
        }
        stage.halfClose()
        guard try stage.trailers() == ["grpc-status": "0"] else {
            throw FuzzFinding("a stream that the client half-closed does not end well")
        }
    }

    private static func checkReflection(
        _ request: Grpc_Reflection_V1_ServerReflectionRequest.OneOf_MessageRequest?,
        _ told: Grpc_Reflection_V1_ServerReflectionResponse.OneOf_MessageResponse
    ) throws(FuzzFinding) {
        switch (request, told) {
        case (.fileByFilename, .fileDescriptorResponse(let files)),
            (.fileContainingSymbol, .fileDescriptorResponse(let files)):
            let decoded = files.fileDescriptorProto.compactMap {
                try? Google_Protobuf_FileDescriptorProto(serializedBytes: $0)
            }
            let names = Set(decoded.map(\.name))
            guard let first = decoded.first, decoded.count == files.fileDescriptorProto.count,
                names.count == decoded.count,
                decoded.allSatisfy({ names.isSuperset(of: $0.dependency) })
            else { throw FuzzFinding("files that do not belong together: \(names)") }
            if case .fileByFilename(let name) = request, first.name != name {
                throw FuzzFinding("\(first.name) is not \(name)")
            }
        case (.allExtensionNumbersOfType(let type), .allExtensionNumbersResponse(let numbers)):
            guard numbers.baseTypeName == type, numbers.extensionNumber.isEmpty else {
                throw FuzzFinding("\(numbers) of a type without extensions")
            }
        case (.listServices, .listServicesResponse(let list)):
            guard list.service.map(\.name).contains("latchd.v1.LatchService") else {
                throw FuzzFinding("the services are \(list)")
            }
        case (.fileByFilename, .errorResponse(let error)),
            (.fileContainingSymbol, .errorResponse(let error)),
            (.fileContainingExtension, .errorResponse(let error)),
            (.allExtensionNumbersOfType, .errorResponse(let error)),
            (nil, .errorResponse(let error)):
            guard error.errorCode == (request == nil ? 3 : 5), !error.errorMessage.isEmpty else {
                throw FuzzFinding("the error is not clear: \(error)")
            }
        default:  // default: open set (pairs of a question and an answer to another one)
            throw FuzzFinding("\(told) is no answer to \(String(describing: request))")
        }
    }
}
