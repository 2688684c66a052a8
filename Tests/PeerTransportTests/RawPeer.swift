import BinaryCoding
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import Synchronization

/// A plain TCP connection that sends whatever a test wants a hostile or broken peer to send.
final class RawPeer: Sendable {
    private struct State {
        var bytes = ByteBuffer()
        var isClosed = false
    }

    private final class Recorder: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let state = Mutex(State())
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            state.withLock { _ = $0.bytes.writeBuffer(&bytes) }
        }
        func channelInactive(context: ChannelHandlerContext) {
            state.withLock { $0.isClosed = true }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    let channel: any Channel
    private let recorder: Recorder

    private init(_ channel: any Channel, _ recorder: Recorder) {
        self.channel = channel
        self.recorder = recorder
    }

    static func connect(toPort port: Int) async throws -> RawPeer {
        let recorder = Recorder()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { $0.pipeline.addHandler(recorder) }
            .connect(host: "127.0.0.1", port: port).get()
        return RawPeer(channel, recorder)
    }

    var isClosed: Bool { recorder.state.withLock { $0.isClosed } }
    var received: ByteBuffer { recorder.state.withLock { $0.bytes } }

    func send(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    /// Sends without asking whether it arrived: the other side may close in the middle.
    func sendIfPossible(_ bytes: ByteBuffer) async {
        try? await channel.writeAndFlush(bytes)
    }

    func waitForClose() async -> Bool { await eventually { isClosed } }

    func close() async { try? await channel.close() }

    /// The first frame that came back, as a Welcome or a HandshakeRefusal.
    func answer() async throws -> Result<Welcome, HandshakeRefusal>? {
        var result: Result<Welcome, HandshakeRefusal>?
        _ = try await eventually {
            var assembler = FrameAssembler(limit: WireLimits.handshakeFrameBytes)
            assembler.append(received)
            var seal = FrameSeal.unbound
            result = try assembler.next(seal: &seal) {
                type, reader throws(DecodingFailure) -> Result<Welcome, HandshakeRefusal> in
                type == .welcome
                    ? .success(try Welcome.decode(from: &reader))
                    : .failure(try HandshakeRefusal.decode(from: &reader))
            }
            return result != nil || isClosed
        }
        return result
    }

    /// Sends `hello` and, when it is welcome, the Confirm. Returns the seal for what follows.
    func shakeHands(_ hello: Hello) async throws -> FrameSeal? {
        var bytes = ByteBuffer()
        hello.write(to: &bytes)
        try await send(bytes)
        guard case .success(let welcome)? = try await answer() else { return nil }
        var seal = FrameSeal(
            diallerNonce: hello.nonce, listenerNonce: welcome.nonce, direction: .fromDialler)
        var confirm = ByteBuffer()
        _ = confirm.writeFrame(.confirm, seal: &seal) { $0.writeInteger(welcome.nonce) }
        try await send(confirm)
        return seal
    }
}

/// The Hello of server 2 for server 1, as ``configuration(_:port:peers:linkTimeout:)`` wants it.
func hello(kind: ConnectionKind = .main, nonce: UInt64 = 7) -> Hello {
    Hello(
        protocolVersions: 1...1, clusterID: 0xC1, clusterName: "test", sender: ServerID(2),
        receiver: ServerID(1), memberDigest: digestOfMembers, kind: kind,
        linkTimeoutMilliseconds: 100, nonce: nonce)
}
