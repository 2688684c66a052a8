import GRPCEdge
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

extension GRPCEdgeTests {
    /// The same server behind TLS.
    @Suite struct TLS {
        private static func serverContext() throws -> NIOSSLContext {
            let certificate = try NIOSSLCertificate(
                bytes: Array(TestCertificate.certificate.utf8), format: .pem)
            let key = try NIOSSLPrivateKey(bytes: Array(TestCertificate.key.utf8), format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: [.certificate(certificate)], privateKey: .privateKey(key))
            configuration.applicationProtocols = ["h2"]
            return try NIOSSLContext(configuration: configuration)
        }

        /// Keeps what arrives.
        private final class Received: ChannelInboundHandler, Sendable {
            typealias InboundIn = ByteBuffer
            let bytes = Mutex<[UInt8]>([])

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let buffer = unwrapInboundIn(data)
                bytes.withLock { $0 += buffer.readableBytesView }
            }
        }

        @Test("A call over TLS is answered, and ALPN settles on h2")
        func call() async throws {
            let tls = try Self.serverContext()
            try await withServer {
                $0.tls = tls
            } _: { test in
                var configuration = TLSConfiguration.makeClientConfiguration()
                configuration.certificateVerification = .none
                configuration.applicationProtocols = ["h2"]
                let context = try NIOSSLContext(configuration: configuration)
                let received = Received()
                let channel = try await ClientBootstrap(
                    group: MultiThreadedEventLoopGroup.singleton
                )
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                        try pipeline.addHandler(received)
                    }
                }
                .connect(host: "127.0.0.1", port: test.port).get()
                let request =
                    RawPeer.preface + RawPeer.frame(4, flags: 0, stream: 0, [])
                    + RawPeer.open("/t.T/Echo", stream: 1)
                    + RawPeer.frame(0, flags: 1, stream: 1, [0, 0, 0, 0, 3, 0xAB, 0xCD, 0xEF])
                try await channel.writeAndFlush(ByteBuffer(bytes: request))
                let answer: [UInt8] = [0, 0, 0, 0, 3, 0xAB, 0xCD, 0xEF]
                try eventually("the answer arrives") {
                    received.bytes.withLock { bytes in
                        bytes.indices.contains { bytes[$0...].starts(with: answer) }
                    }
                }
                let version = try await channel.nioSSL_tlsVersion().get()
                #expect(version == .tlsv13)
                try await channel.close()
            }
        }

        @Test("Plain HTTP/2 on a TLS port, and a TLS hello that never goes on, are closed (N10)")
        func notTLS() async throws {
            let tls = try Self.serverContext()
            try await withServer {
                $0.tls = tls
                $0.handshakeTimeoutMilliseconds = 300
            } _: { test in
                let plain = try RawPeer(port: test.port)
                let mute = try RawPeer(port: test.port, greets: false)
                mute.send([22, 3, 1])
                try plain.waitForClose()
                try mute.waitForClose()
            }
        }
    }
}
