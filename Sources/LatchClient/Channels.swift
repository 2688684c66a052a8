import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization

typealias NodeTransport = HTTP2ClientTransport.Posix
typealias NodeConnection = GRPCClient<NodeTransport>

/// One gRPC client for each node, made when it is first needed. They reconnect by themselves.
final class Channels: Sendable {
    private struct Channel {
        let client: NodeConnection
        let running: Task<Void, Never>
    }

    private struct State {
        var channels: [Endpoint: Channel] = [:]
        var isShutDown = false
    }

    private let state = Mutex(State())
    private let settings: LatchSettings

    init(settings: LatchSettings) {
        self.settings = settings
    }

    deinit {
        state.withLock { state in
            for channel in state.channels.values { channel.client.beginGracefulShutdown() }
        }
    }

    /// The client for `endpoint`. Never waits: a call on it waits for its connection.
    /// - Throws: ``LatchError`` after ``shutdown()``, or the transport's error for an address that
    ///   cannot be.
    func client(for endpoint: Endpoint) throws -> NodeConnection {
        try state.withLock { state in
            guard !state.isShutDown else { throw LatchError(.shutDown, "the client was shut down") }
            if let channel = state.channels[endpoint] { return channel.client }
            let client = GRPCClient(transport: try makeTransport(endpoint))
            let running = Task { _ = try? await client.runConnections() }
            state.channels[endpoint] = Channel(client: client, running: running)
            return client
        }
    }

    private func makeTransport(_ endpoint: Endpoint) throws -> HTTP2ClientTransport.Posix {
        try .http2NIOPosix(
            target: target(endpoint),
            transportSecurity: .plaintext,
            config: .defaults { config in
                config.backoff.initial = .milliseconds(100)
                config.backoff.max = settings.maximumBackoff
                // A half-open connection is noticed by calls that time out; pings are
                // for idle streams.
                config.connection.keepalive = .init(
                    time: .seconds(10), timeout: .seconds(3), allowWithoutCalls: false)
                // Calls are few and small; a delay would only cost latency.
                config.connection.flushCoalescing = nil
            })
    }

    /// The transport traps on an address literal that is none, so only what the system accepts
    /// counts as one.
    private func target(_ endpoint: Endpoint) -> any ResolvableTarget {
        switch endpoint.literal {
        case .ipv4: .ipv4(address: endpoint.host, port: endpoint.port)
        case .ipv6: .ipv6(address: endpoint.host, port: endpoint.port)
        case nil: .dns(host: endpoint.host, port: endpoint.port)
        }
    }

    /// Closes every connection and waits until they are closed. Calls that are under way
    /// are cut off.
    func shutdown() async {
        let channels = state.withLock { state in
            state.isShutDown = true
            defer { state.channels = [:] }
            return Array(state.channels.values)
        }
        for channel in channels {
            channel.client.beginGracefulShutdown()
            channel.running.cancel()
        }
        for channel in channels { await channel.running.value }
    }
}
