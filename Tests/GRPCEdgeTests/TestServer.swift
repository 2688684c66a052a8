import GRPCEdge
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// All tests with sockets, one after another: they measure time and load.
@Suite(.serialized) struct GRPCEdgeTests {}

/// What the test methods have seen.
final class TestService: Sendable {
    struct State {
        var cancelled = 0
        var opened = 0
        var halfClosed = 0
        var writable = 0
        var held: [Call] = []
        var received: [Int] = []
        var events: [EdgeEvent] = []
    }

    private let state = Mutex(State())

    var cancelled: Int { state.withLock { $0.cancelled } }
    var opened: Int { state.withLock { $0.opened } }
    var halfClosed: Int { state.withLock { $0.halfClosed } }
    /// The sizes of the messages that Paced received.
    var received: [Int] { state.withLock { $0.received } }
    var writable: Int { state.withLock { $0.writable } }
    var events: [EdgeEvent] { state.withLock { $0.events } }

    func note(_ event: EdgeEvent) {
        state.withLock { $0.events.append(event) }
    }

    /// Reasons of the connections that were closed on a hostile peer.
    var hostileReasons: [String] {
        events.compactMap { event in
            if case .hostilePeer(let reason, _) = event { return reason }
            return nil
        }
    }

    private func change(_ body: @Sendable (inout State) -> Void) {
        state.withLock { body(&$0) }
    }

    static func framed(_ text: String) -> FramedMessage {
        FramedMessage(prefixing: Array(text.utf8))
    }

    /// Answers all held calls from outside of their loops, one hop a loop.
    func releaseHeld() {
        let calls = state.withLock { state in
            defer { state.held = [] }
            return state.held
        }
        let byLoop = Dictionary(grouping: calls) { ObjectIdentifier($0.loop) }
        for calls in byLoop.values {
            calls.first?.loop.execute { for call in calls { call.reply(Self.framed("late")) } }
        }
    }

    var methods: [Method] {
        [
            Method("/t.T/Echo", kind: .unary) { call, message in
                call.reply(FramedMessage(prefixing: Array(message)))
            },
            Method("/t.T/Late", kind: .unary) { call, message in
                let bytes = Array(message)
                NIOThreadPool.singleton.submit { _ in
                    call.loop.execute { call.reply(FramedMessage(prefixing: bytes)) }
                }
            },
            Method("/t.T/Fail", kind: .unary) { call, _ in
                call.finish(
                    GRPCStatus(.failedPrecondition, "pas élu: 100% ✓"),
                    trailers: [("latchd-reason", "NOT_HOLDER"), ("latchd-message", "à bientôt")])
                call.finish(.ok)
            },
            Method("/t.T/Trailers", kind: .unary) { call, _ in
                call.reply(Self.framed("x"), trailers: [("latchd-token", "17")])
            },
            Method("/t.T/Hold", kind: .unary) { call, _ in self.hold(call) },
            Method("/t.T/Ticks", kind: .serverStreaming) { call, _ in Self.tick(call, 1) },
            Method("/t.T/Flood", kind: .serverStreaming) { call, _ in self.flood(call) },
            Method("/t.T/Overflow", kind: .serverStreaming) { call, _ in
                call.onCancel = { self.change { $0.cancelled += 1 } }
                let message = FramedMessage(framed: [UInt8](repeating: 7, count: 1 << 20))
                for _ in 0..<64 { call.send(message) }
            },
            Method("/t.T/Chat", kind: .bidirectional) { call, _ in self.chat(call) },
            Method("/t.T/Paced", kind: .bidirectional) { call, _ in self.pace(call) },
            Method("/t.T/Echoes", kind: .bidirectional) { call, _ in self.echo(call) },
        ]
    }

    private func hold(_ call: Call) {
        call.onCancel = { self.change { $0.cancelled += 1 } }
        change { state in
            state.opened += 1
            state.held.append(call)
        }
    }

    private static func tick(_ call: Call, _ number: Int) {
        guard number <= 3 else { return call.finish() }
        call.send(framed("tick \(number)"))
        call.loop.scheduleTask(in: .milliseconds(30)) { tick(call, number + 1) }
    }

    /// Keeps a reader supplied without ever queueing more than half of what is allowed.
    private func flood(_ call: Call) {
        let message = FramedMessage(framed: [UInt8](repeating: 7, count: 64 << 10))
        call.onCancel = { self.change { $0.cancelled += 1 } }
        call.onWritable = {
            self.change { $0.writable += 1 }
            guard self.writable < 5 else { return call.finish() }
            while call.isOpen, call.bufferedBytes <= 600 << 10 { call.send(message) }
        }
        while call.isOpen, call.bufferedBytes <= 600 << 10 { call.send(message) }
    }

    /// Takes one message, then none until it is released.
    private func pace(_ call: Call) {
        change { state in
            state.opened += 1
            state.held.append(call)
        }
        call.onCancel = { self.change { $0.cancelled += 1 } }
        call.onMessage = { message in
            let count = message.count
            self.change { $0.received.append(count) }
            call.hold()
        }
        call.onHalfClose = {
            self.change { $0.halfClosed += 1 }
            call.finish()
        }
    }

    /// Lets the calls of Paced take one more message each.
    func releasePaced() {
        for call in state.withLock({ $0.held }) { call.loop.execute { call.release() } }
    }

    /// Answers each message with 1 KiB.
    private func echo(_ call: Call) {
        let answer = FramedMessage(prefixing: [UInt8](repeating: 7, count: 1 << 10))
        call.onCancel = { self.change { $0.cancelled += 1 } }
        call.onMessage = { message in
            let count = message.count
            self.change { $0.received.append(count) }
            call.send(answer)
        }
        call.onHalfClose = {
            self.change { $0.halfClosed += 1 }
            call.finish()
        }
    }

    private func chat(_ call: Call) {
        change { $0.opened += 1 }
        call.onCancel = { self.change { $0.cancelled += 1 } }
        call.onMessage = { message in
            if message.elementsEqual("bye".utf8) { return call.finish() }
            call.send(FramedMessage(prefixing: Array(message)))
        }
        call.onHalfClose = {
            self.change { $0.halfClosed += 1 }
            call.finish()
        }
    }
}

/// A server on a free port.
struct TestServer {
    let server: GRPCServer
    let service: TestService
    let port: Int

    /// A fresh connection is served.
    func expectServes() throws {
        let answer = try HTTP2Client(port: port).call("/t.T/Echo", [9, 9])
        #expect(answer.messages == [[9, 9]])
        #expect(answer.grpcStatus == 0)
    }
}

/// Runs `body` against a server that is shut down afterwards.
func withServer(
    _ adjust: (inout EdgeSettings) -> Void = { _ in },
    _ body: (TestServer) async throws -> Void
) async throws {
    var settings = EdgeSettings()
    adjust(&settings)
    let service = TestService()
    let server = GRPCServer(
        methods: service.methods, settings: settings, group: MultiThreadedEventLoopGroup.singleton,
        onEvent: { service.note($0) })
    let address = try await server.start()
    do {
        try await body(TestServer(server: server, service: service, port: address.port ?? 0))
    } catch {
        await server.shutdown(drainTimeout: .zero)
        throw error
    }
    await server.shutdown(drainTimeout: .milliseconds(500))
    #expect(server.openConnections == 0)
}
