import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode

@testable import LatchService

/// A method of the client port, by the first byte of an input. The second byte decides what the
/// cluster answers; the rest is the request, or of a bidirectional method a list of messages, each
/// after its length (16 bits).
enum ServiceCall: UInt8, CaseIterable {
    // Below, and from 242 on, the committed cases have other meanings.
    case openSession = 208
    case closeSession, join, leave, handOver, publish, evict, observe, history, checkToken
    case listLatches, getLatch, keepAlive, reflect

    private var path: String {
        switch self {
        case .openSession: "/latchd.v1.LatchService/OpenSession"
        case .closeSession: "/latchd.v1.LatchService/CloseSession"
        case .join: "/latchd.v1.LatchService/Join"
        case .leave: "/latchd.v1.LatchService/Leave"
        case .handOver: "/latchd.v1.LatchService/HandOver"
        case .publish: "/latchd.v1.LatchService/Publish"
        case .evict: "/latchd.v1.LatchService/Evict"
        case .observe: "/latchd.v1.LatchService/Observe"
        case .history: "/latchd.v1.LatchService/History"
        case .checkToken: "/latchd.v1.LatchService/CheckToken"
        case .listLatches: "/latchd.v1.Cluster/ListLatches"
        case .getLatch: "/latchd.v1.Cluster/GetLatch"
        case .keepAlive: "/latchd.v1.LatchService/KeepAlive"
        case .reflect: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        }
    }

    /// A request within the documented limits is asked of the node as it came, and the call ends as
    /// the cluster answers; any other is refused with a reason. Nothing stays behind.
    func run(_ input: [UInt8]) throws(FuzzFinding) {
        var reader = InputReader(input)
        let option = reader.byte()
        let stage = try ServiceStage(path)
        do throws(FuzzFinding) {
            switch self {
            case .keepAlive: try runKeepAlive(stage, option, reader.parts())
            case .reflect: try runReflection(stage, reader.parts())
            case .openSession, .closeSession, .join, .leave, .handOver, .publish, .evict,
                .observe, .history, .checkToken, .listLatches, .getLatch:
                try runOne(stage, ClusterAnswer(option), reader.remaining())
            }
            try stage.end()
        } catch {
            throw FuzzFinding("\(self): \(error)")
        }
    }

    private func runOne(
        _ stage: ServiceStage, _ answer: ClusterAnswer, _ bytes: [UInt8]
    ) throws(FuzzFinding) {
        let request = try read(bytes)
        stage.send(bytes)
        var asked = stage.takeRequests()
        guard let question = request.question else {
            guard asked.isEmpty else { throw FuzzFinding("a request past a limit was accepted") }
            return try stage.expectRefusal(isMessage: request.isMessage)
        }
        guard stage.call.isOpen, asked.map(Question.init) == [question] else {
            throw FuzzFinding("a request is understood as \(asked), not \(question)")
        }
        if case .command(let record) = question {
            // What no server can read again would be decided by none.
            guard (try? LogRecord(decoding: record))?.encoded() == record else {
                throw FuzzFinding("the log cannot hold the command")
            }
        }
        while !asked.isEmpty {
            for request in asked { answer.answer(request) }
            asked = stage.takeRequests()
        }
        try check(stage, answer, request)
    }

    // MARK: - What a request asks, by the documentation

    /// What a request asks of the node.
    enum Question: Equatable {
        /// A log record, encoded: equal bytes, not only equal texts.
        case command([UInt8])
        case view(PrimitiveName)
        case localView(PrimitiveName)
        case list(namespace: [UInt8]?, prefix: [UInt8], after: PrimitiveName?, limit: Int)
        case observe(PrimitiveName, minimumIndex: UInt64)
        /// No call of this port asks it in answer to a first message.
        case other

        init(_ command: Command) {
            self = .command(
                LogRecord(origin: 0, number: 0, logTimeMilliseconds: 0, command: command).encoded())
        }

        init(_ request: NodeRequest) {
            self =
                switch request {
                case .command(let command, _): Question(command)
                case .read(.view(let name), _): .view(name)
                case .read(.list(let namespace, let prefix, let after, let limit), _):
                    .list(
                        namespace: namespace.map { Array($0.utf8) }, prefix: Array(prefix.utf8),
                        after: after, limit: limit)
                case .localView(let name, _): .localView(name)
                case .observe(let name, let index, _): .observe(name, minimumIndex: index)
                case .read, .renew, .subscribe, .status, .unsubscribe, .stopObserving: .other
                }
        }
    }

    /// A request as the documentation means it.
    struct Request {
        /// Whether the bytes are a message of the method.
        var isMessage = false
        /// Nil: to be refused.
        var question: Question?
        /// The position or token that the client says it knows, or asks for.
        var token: UInt64 = 0
        var timeout: UInt64 = 0
        var pageSize = 0

        /// A command, if all that it takes is there.
        mutating func ask(_ command: Command?) { question = command.map { Question($0) } }
    }

    /// A text that a limit of 1,024 bytes is on.
    private static func fits(_ text: String, from least: Int = 1) -> Bool {
        (least...1_024).contains(text.utf8.count)
    }

    static func name(_ latch: Latchd_V1_LatchName, _ isPresent: Bool) -> PrimitiveName? {
        guard isPresent, fits(latch.name), fits(latch.namespace, from: 0) else { return nil }
        return PrimitiveName(namespace: latch.namespace, name: latch.name)
    }

    static func session(
        _ session: Latchd_V1_Session, _ isPresent: Bool
    ) -> (name: PrimitiveName, id: SessionID)? {
        guard isPresent, session.id != 0 else { return nil }
        return name(session.latch, session.hasLatch).map { ($0, session.id) }
    }

    private func read(_ bytes: [UInt8]) throws(FuzzFinding) -> Request {
        var read = Request()
        switch self {
        case .openSession: try Self.readOpenSession(bytes, &read)
        case .closeSession:
            guard let request = try message(Latchd_V1_CloseSessionRequest.self, bytes) else {
                break
            }
            read.isMessage = true
            let session = Self.session(request.session, request.hasSession)
            read.ask(session.map { .closeSession($0.name, $0.id) })
        case .join:
            guard let request = try message(Latchd_V1_JoinRequest.self, bytes) else { break }
            read.isMessage = true
            let session = Self.session(request.session, request.hasSession)
            guard let session, Self.fits(request.participant) else { break }
            read.ask(
                .latch(
                    session.name, session.id, requestID: request.requestID,
                    participant: request.participant))
        case .leave:
            guard let request = try message(Latchd_V1_LeaveRequest.self, bytes) else { break }
            read.isMessage = true
            let session = Self.session(request.session, request.hasSession)
            guard let session, Self.fits(request.participant) else { break }
            read.ask(
                .leave(
                    session.name, session.id, requestID: request.requestID,
                    participant: request.participant))
        case .handOver: try Self.readHandOver(bytes, &read)
        case .publish:
            guard let request = try message(Latchd_V1_PublishRequest.self, bytes) else { break }
            read.isMessage = true
            let session = Self.session(request.session, request.hasSession)
            guard let session, request.fencingToken != 0, Self.fits(request.value, from: 0)
            else { break }
            read.ask(
                .publish(
                    session.name, session.id, requestID: request.requestID,
                    fencingToken: request.fencingToken, value: request.value))
        case .evict:
            guard let request = try message(Latchd_V1_EvictRequest.self, bytes) else { break }
            read.isMessage = true
            let name = Self.name(request.latch, request.hasLatch)
            guard let name, Self.fits(request.participant) else { break }
            read.ask(
                .evict(
                    name, participant: request.participant, session: request.sessionID,
                    fencingToken: request.fencingToken))
        case .observe, .history, .checkToken, .listLatches, .getLatch:
            try readQuestion(bytes, &read)
        case .keepAlive, .reflect: break
        }
        return read
    }

    private static func readOpenSession(
        _ bytes: [UInt8], _ read: inout Request
    ) throws(FuzzFinding) {
        guard let request = try message(Latchd_V1_OpenSessionRequest.self, bytes) else { return }
        read.isMessage = true
        // 10 ms … 24 h; what is outside is brought inside, 0 is 30 s.
        read.timeout = request.ttlMs == 0 ? 30_000 : min(max(request.ttlMs, 10), 86_400_000)
        let name = name(request.latch, request.hasLatch)
        read.ask(name.map { .openSession($0, timeoutMilliseconds: read.timeout) })
    }

    private static func readHandOver(_ bytes: [UInt8], _ read: inout Request) throws(FuzzFinding) {
        guard let request = try message(Latchd_V1_HandOverRequest.self, bytes) else { return }
        read.isMessage = true
        let name = name(request.latch, request.hasLatch)
        var party: (name: PrimitiveName, id: SessionID)?
        if request.hasSession {
            party = session(request.session, true)
            if request.hasLatch, name != party?.name { party = nil }
        } else if request.requestID == 0 {
            party = name.map { ($0, 0) }
        }
        guard let party, request.fencingToken != 0, fits(request.to) else { return }
        read.ask(
            .handOver(
                party.name, party.id, requestID: request.requestID,
                fencingToken: request.fencingToken, to: request.to))
    }

    private func readQuestion(_ bytes: [UInt8], _ read: inout Request) throws(FuzzFinding) {
        switch self {
        case .observe:
            guard let request = try message(Latchd_V1_ObserveRequest.self, bytes) else { return }
            read.isMessage = true
            read.token = request.afterToken
            let every = request.heartbeatMs
            let accepted = try? LatchRequest.heartbeat(every)
            let interval = every == 0 ? 5_000 : (100...60_000).contains(every) ? every : nil
            guard accepted == interval.map(Int64.init) else {
                throw FuzzFinding("heartbeat_ms \(every) is taken as \(accepted ?? -1)")
            }
            guard interval != nil, let name = Self.name(request.latch, request.hasLatch)
            else { return }
            read.question = .observe(name, minimumIndex: request.afterIndex)
        case .history:
            guard let request = try message(Latchd_V1_HistoryRequest.self, bytes) else { return }
            read.isMessage = true
            read.token = request.afterToken
            read.question = Self.name(request.latch, request.hasLatch).map { .view($0) }
        case .checkToken:
            guard let request = try message(Latchd_V1_CheckTokenRequest.self, bytes) else { return }
            read.isMessage = true
            read.token = request.fencingToken
            read.question = Self.name(request.latch, request.hasLatch).map { .view($0) }
        case .listLatches:
            guard let request = try message(Latchd_V1_ListLatchesRequest.self, bytes)
            else { return }
            read.isMessage = true
            let after = PrimitiveName(pageToken: request.pageToken)
            guard Self.fits(request.namespace, from: 0), Self.fits(request.prefix, from: 0),
                request.pageToken.isEmpty || after != nil
            else { return }
            read.pageSize = request.pageSize == 0 ? 100 : Int(min(request.pageSize, 1_000))
            read.question = .list(
                namespace: request.hasNamespace ? Array(request.namespace.utf8) : nil,
                prefix: Array(request.prefix.utf8), after: after, limit: read.pageSize + 1)
        case .getLatch:
            guard let request = try message(Latchd_V1_GetLatchRequest.self, bytes) else { return }
            read.isMessage = true
            guard Self.fits(request.namespace, from: 0), Self.fits(request.name, from: 0)
            else { return }
            let name = PrimitiveName(namespace: request.namespace, name: request.name)
            read.question = request.stale ? .localView(name) : .view(name)
        case .openSession, .closeSession, .join, .leave, .handOver, .publish, .evict, .keepAlive,
            .reflect:
            break
        }
    }
}

extension InputReader {
    /// The rest as parts, each after its length (16 bits), 64 at most.
    fileprivate mutating func parts() -> [[UInt8]] {
        var parts: [[UInt8]] = []
        while !isEmpty, parts.count < 64 { parts.append(bytes(Int(number(UInt16.self)))) }
        return parts
    }
}
