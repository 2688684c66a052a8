import Chaos
import ClusterHarness
import NIOCore
import NIOPosix
import Synchronization

/// A server that sends back what it is sent, and a client behind the net that notes what comes.
struct EchoBehindNet {
    let net: FaultNet
    let client: EchoClient

    /// Runs `body` with a client of party 2 (or a plain client) connected through the net to party
    /// 1.
    static func with(
        hello: [UInt8] = [], dialler: FaultNet.Dialler = .clients,
        _ body: (EchoBehindNet) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(EchoHandler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let net = FaultNet()
        let port = try await net.listen(
            for: 1, target: server.localAddress?.port ?? 0, dialler: dialler)
        let client = EchoClient()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NotingHandler(client))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        client.channel.withLock { $0 = channel }
        if !hello.isEmpty { client.send(hello) }
        do {
            try await body(EchoBehindNet(net: net, client: client))
        } catch {
            await net.stop()
            try? await server.close()
            throw error
        }
        await net.stop()
        try? await server.close()
    }
}

/// What came back, and when.
final class EchoClient: Sendable {
    let channel = Mutex<(any Channel)?>(nil)
    let received = Mutex<[UInt8]>([])
    let isClosed = Mutex(false)

    func send(_ bytes: [UInt8]) {
        channel.withLock { channel in
            guard let channel else { return }
            channel.writeAndFlush(channel.allocator.buffer(bytes: bytes), promise: nil)
        }
    }

    var count: Int { received.withLock { $0.count } }

    @discardableResult
    func wait(for count: Int, within seconds: Double = 10) async throws -> [UInt8] {
        try await eventually("\(count) bytes back", within: seconds) {
            self.count >= count ? received.withLock { $0 } : nil
        }
    }

    func waitForEnd() async throws {
        _ = try await eventually("the end of the connection") {
            isClosed.withLock { $0 } ? true : nil
        }
    }
}

private final class EchoHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.channel.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }
}

private final class NotingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let client: EchoClient

    init(_ client: EchoClient) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        client.received.withLock { $0 += bytes }
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.isClosed.withLock { $0 = true }
    }
}
