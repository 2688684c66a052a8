import BinaryCoding
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import Synchronization

/// A listener that welcomes server 1 as server 2 and never says another word. It can also stop
/// reading, as happens to a process that is stopped, and go on later.
final class FrozenPeer: Sendable {
    private struct State {
        var bytes = ByteBuffer()
        var diallerNonce: UInt64?
        var child: (any Channel)?
    }

    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let readsOn: Bool
        let state = Mutex(State())

        init(readsOn: Bool) { self.readsOn = readsOn }

        var bytes: ByteBuffer { state.withLock { $0.bytes } }
        var diallerNonce: UInt64? { state.withLock { $0.diallerNonce } }
        var child: (any Channel)? { state.withLock { $0.child } }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            if diallerNonce != nil {
                state.withLock { _ = $0.bytes.writeBuffer(&bytes) }
                return
            }
            var assembler = FrameAssembler(limit: 1 << 20)
            assembler.append(bytes)
            var seal = FrameSeal.unbound
            let hello = try? assembler.next(seal: &seal) {
                _, reader throws(DecodingFailure) in try Hello.decode(from: &reader)
            }
            guard let hello else { return }
            let child = context.channel
            state.withLock {
                $0.diallerNonce = hello.nonce
                $0.child = child
            }
            if !readsOn { child.setOption(.autoRead, value: false).whenFailure { _ in } }
            var answer = ByteBuffer()
            Welcome(
                protocolVersion: 1, sender: ServerID(2), echoedNonce: hello.nonce,
                nonce: FrozenPeer.nonce
            ).write(to: &answer)
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
    }

    private static let nonce: UInt64 = 99
    private let channel: any Channel
    private let handler: Handler
    let port: Int

    private init(_ channel: any Channel, _ handler: Handler) {
        self.channel = channel
        self.handler = handler
        port = channel.localAddress?.port ?? 0
    }

    static func start(readsOn: Bool = true) async throws -> FrozenPeer {
        let handler = Handler(readsOn: readsOn)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 16 << 10)
            .childChannelInitializer { $0.pipeline.addHandler(handler) }
            .bind(host: "127.0.0.1", port: 0).get()
        return FrozenPeer(channel, handler)
    }

    /// Reads again.
    func thaw() async throws {
        try await handler.child?.setOption(.autoRead, value: true).get()
    }

    /// Everything readable that arrived after the Hello; the connection's own frames left out.
    func frames() throws -> [PeerFrame] {
        let bytes = handler.bytes
        let nonce = handler.diallerNonce ?? 0
        return try decodeAll(
            [bytes],
            seal: FrameSeal(
                diallerNonce: nonce, listenerNonce: FrozenPeer.nonce, direction: .fromDialler))
    }

    func stop() async {
        try? await channel.close()
        try? await handler.child?.close().get()
    }
}
