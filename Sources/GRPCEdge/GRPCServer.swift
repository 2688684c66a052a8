import Listening
package import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Why a server does not start.
package enum EdgeError: Error, CustomStringConvertible {
    /// The address cannot be listened on; `reason` is the system's.
    case cannotListen(host: String, port: Int, reason: String)
    /// `start` was called twice, or after `shutdown`.
    case alreadyStarted

    /// For people.
    package var description: String {
        switch self {
        case .cannotListen(let host, let port, let reason):
            "cannot listen for gRPC on \(host):\(port): \(reason)"
        case .alreadyStarted:
            "the gRPC server was already started"
        }
    }
}

/// A small gRPC server: unary, server-streaming and bidirectional calls over HTTP/2.
package final class GRPCServer: Sendable {
    private enum Phase {
        case new
        case starting
        case serving(any Channel)
        case stopped
    }

    let shared: EdgeShared
    private let group: any EventLoopGroup
    let shards: [ObjectIdentifier: ConnectionShard]
    private let phase = Mutex(Phase.new)

    /// Makes a server that answers `methods`. `onEvent` is called on any thread, at most some tens
    /// of times a second.
    package init(
        methods: [Method], settings: EdgeSettings, group: any EventLoopGroup,
        onEvent: @escaping @Sendable (EdgeEvent) -> Void
    ) {
        let shared = EdgeShared(methods: methods, settings: settings, events: EventGate(onEvent))
        self.shared = shared
        self.group = group
        var shards: [ObjectIdentifier: ConnectionShard] = [:]
        for loop in group.makeIterator() {
            shards[ObjectIdentifier(loop)] = ConnectionShard(loop: loop, shared: shared)
        }
        self.shards = shards
    }

    /// Connections open now.
    package var openConnections: Int { shared.openConnections }

    /// Starts to listen and returns the address; throws `EdgeError`.
    package func start() async throws -> SocketAddress {
        let isFirst = phase.withLock { phase in
            guard case .new = phase else { return false }
            phase = .starting
            return true
        }
        guard isFirst else { throw EdgeError.alreadyStarted }
        let settings = shared.settings
        do {
            let channel = try await bootstrap().bind(host: settings.host, port: settings.port).get()
            let isWanted = phase.withLock { phase in
                guard case .starting = phase else { return false }
                phase = .serving(channel)
                return true
            }
            guard isWanted, let address = channel.localAddress else {
                try? await channel.close()
                throw EdgeError.alreadyStarted
            }
            return address
        } catch let error as EdgeError {
            throw error
        } catch {
            phase.withLock { $0 = .new }
            throw EdgeError.cannotListen(
                host: settings.host, port: settings.port, reason: "\(error)")
        }
    }

    /// Stops accepting, lets open calls run on for up to `drainTimeout`, then answers the rest
    /// UNAVAILABLE and closes.
    package func shutdown(drainTimeout: TimeAmount) async {
        let before = phase.withLock { phase in
            defer { phase = .stopped }
            return phase
        }
        if case .serving(let channel) = before { try? await channel.close() }
        let drains = shards.values.map { $0.drain(timeout: drainTimeout) }
        for drain in drains { try? await drain.get() }
    }

    private func bootstrap() -> ServerBootstrap {
        let shared = shared
        let shards = shards
        return ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .pausingWhenNothingCanBeAccepted()
            // One read a turn: the answers of a burst leave before the next read, and an idle
            // connection costs no read that returns nothing.
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10)
            )
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try Self.configure(channel, shared, shards)
                }
            }
    }

    /// Makes a connection of a channel just accepted. NIO closes the channel on an error.
    private static func configure(
        _ channel: any Channel, _ shared: EdgeShared, _ shards: [ObjectIdentifier: ConnectionShard]
    ) throws {
        guard let shard = shards[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.operationUnsupported
        }
        let client: ClientAddress
        do {
            client = try shared.admitConnection(from: channel.remoteAddress?.ipAddress)
        } catch {
            shared.events.report(.connectionRefused(limit: error.limit))
            throw error
        }
        do {
            let pipeline = channel.pipeline.syncOperations
            if let tls = shared.settings.tls {
                try pipeline.addHandler(NIOSSLServerHandler(context: tls))
            }
            try pipeline.addHandler(Connection(shared: shared, shard: shard, client: client))
        } catch {
            shared.releaseConnection(from: client)
            throw error
        }
    }
}
