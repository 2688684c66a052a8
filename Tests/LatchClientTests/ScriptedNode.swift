import GRPCEdge
import LatchAPI
import NIOCore
import NIOPosix
import SwiftProtobuf
import Synchronization

@testable import LatchClient

/// A node that answers as a test wants it to, also as no node should: a real server on a free port,
/// with sessions that live for ever.
final class ScriptedNode: Sendable {
    /// What becomes of a Join.
    enum JoinAnswer: Sendable {
        /// The stream stays open, unless the client wants one response only.
        case holding(token: UInt64)
        /// It is told that it holds, and then the stream ends like this.
        case cut(token: UInt64, GRPCStatusCode)
        case refused(GRPCStatusCode, reason: String?)
    }

    struct State {
        var joins: [Latchd_V1_JoinRequest] = []
        var openJoins: [Call] = []
        var beats = 0
        /// What a beat tells beside that the session lives.
        var life = Latchd_V1_SessionLife()
        var isCloseRefused = false
        var closes = 0
        var refusedCloses = 0
        var timeout: UInt64 = 0
    }

    private let state = Mutex(State())
    private let script: @Sendable (Int) -> JoinAnswer

    private init(_ script: @escaping @Sendable (Int) -> JoinAnswer) {
        self.script = script
    }

    /// Runs `body` with a node and a client of it.
    /// - Parameter script: answers the Joins, counted from 1.
    static func with(
        _ script: @escaping @Sendable (Int) -> JoinAnswer,
        _ body: (ScriptedNode, LatchCluster) async throws -> Void
    ) async throws {
        let node = ScriptedNode(script)
        let server = GRPCServer(
            methods: node.methods, settings: EdgeSettings(),
            group: MultiThreadedEventLoopGroup.singleton, onEvent: { _ in })
        let port = try await server.start().port ?? 0
        var settings = LatchSettings()
        settings.timeout = .seconds(2)
        settings.initialBackoff = .milliseconds(5)
        settings.maximumBackoff = .milliseconds(20)
        let client = try LatchCluster(endpoints: ["127.0.0.1:\(port)"], settings: settings)
        let result: Result<Void, any Error>
        do { result = .success(try await body(node, client)) } catch { result = .failure(error) }
        await client.shutdown()
        await server.shutdown(drainTimeout: .zero)
        try result.get()
    }

    var seen: State { state.withLock { $0 } }

    /// From now on this is what a beat tells.
    func setLife(_ change: @Sendable (inout Latchd_V1_SessionLife) -> Void) {
        state.withLock { change(&$0.life) }
    }

    func refuseCloses(_ isRefused: Bool) {
        state.withLock { $0.isCloseRefused = isRefused }
    }

    /// Says something on every open Join.
    func say(_ change: (inout Latchd_V1_JoinResponse) -> Void) {
        let response = Latchd_V1_JoinResponse.with(change)
        for call in seen.openJoins { call.loop.execute { Self.send(response, on: call) } }
    }

    /// Ends every open Join.
    func endJoins(_ code: GRPCStatusCode, reason: String?) {
        let calls = state.withLock { state in
            defer { state.openJoins = [] }
            return state.openJoins
        }
        for call in calls { call.loop.execute { Self.refuse(call, code, reason) } }
    }

    // MARK: Methods

    private var methods: [Method] {
        let path = "/latchd.v1.LatchService/"
        return [
            Method(path + "OpenSession", kind: .unary) { self.open($0, $1) },
            Method(path + "KeepAlive", kind: .bidirectional) { call, _ in self.keepAlive(call) },
            Method(path + "CloseSession", kind: .unary) { call, _ in self.close(call) },
            Method(path + "Join", kind: .serverStreaming) { self.join($0, $1) },
        ]
    }

    private func open(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = try? Latchd_V1_OpenSessionRequest(serializedBytes: Array(bytes)) else {
            return call.finish(GRPCStatus(.invalidArgument))
        }
        state.withLock { $0.timeout = request.ttlMs }
        let response = Latchd_V1_OpenSessionResponse.with {
            $0.session.latch = request.latch
            $0.session.id = 7
            $0.life.sessionID = 7
            $0.life.state = .alive
            $0.life.validForMs = request.ttlMs
        }
        Self.send(response, on: call)
        call.finish()
    }

    private func keepAlive(_ call: Call) {
        call.onMessage = { bytes in
            guard let beat = try? Latchd_V1_KeepAliveRequest(serializedBytes: Array(bytes)) else {
                return call.finish(GRPCStatus(.invalidArgument))
            }
            let life = self.state.withLock { state in
                state.beats += 1
                var life = state.life
                life.state = .alive
                life.validForMs = state.timeout
                return life
            }
            let response = Latchd_V1_KeepAliveResponse.with {
                $0.sequence = beat.sequence
                $0.sessions = beat.sessions.map { session in
                    var life = life
                    life.sessionID = session.id
                    return life
                }
            }
            Self.send(response, on: call)
        }
        call.onHalfClose = { call.finish() }
    }

    private func close(_ call: Call) {
        let isRefused = state.withLock { state in
            if state.isCloseRefused { state.refusedCloses += 1 } else { state.closes += 1 }
            return state.isCloseRefused
        }
        if isRefused { return Self.refuse(call, .unavailable, "no-leader") }
        Self.send(Latchd_V1_CloseSessionResponse(), on: call)
        call.finish()
    }

    private func join(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        guard let request = try? Latchd_V1_JoinRequest(serializedBytes: Array(bytes)) else {
            return call.finish(GRPCStatus(.invalidArgument))
        }
        let number = state.withLock { state in
            state.joins.append(request)
            return state.joins.count
        }
        switch script(number) {
        case .holding(let token):
            Self.send(Self.holding(token), on: call)
            if request.noWait { return call.finish() }
            state.withLock { $0.openJoins.append(call) }
        case .cut(let token, let code):
            Self.send(Self.holding(token), on: call)
            Self.refuse(call, code, nil)
        case .refused(let code, let reason):
            Self.refuse(call, code, reason)
        }
    }

    private static func holding(_ token: UInt64) -> Latchd_V1_JoinResponse {
        .with {
            $0.state = .holding
            $0.fencingToken = token
            $0.term = 1
            $0.participants = 1
            $0.index = token
        }
    }

    private static func send(_ message: some SwiftProtobuf.Message, on call: Call) {
        guard let bytes: [UInt8] = try? message.serializedBytes() else {
            return call.finish(GRPCStatus(.internalError))
        }
        call.send(FramedMessage(prefixing: bytes))
    }

    private static func refuse(_ call: Call, _ code: GRPCStatusCode, _ reason: String?) {
        call.finish(
            GRPCStatus(code, "as the test wants it"),
            trailers: reason.map { [("latchd-reason", $0)] } ?? [])
    }
}

/// Waits until something holds.
func eventually(
    _ what: String, within limit: Duration = .seconds(15), _ holds: () throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try !holds() {
        guard ContinuousClock.now < deadline else { throw Missed(what: what) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

struct Missed: Error {
    let what: String
}
