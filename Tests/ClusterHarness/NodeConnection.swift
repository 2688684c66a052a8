import GRPCCore
package import GRPCNIOTransportHTTP2Posix
package import LatchAPI
package import LatchClient

/// One gRPC connection to one node, with the raw stubs: what a hand-written or stock client sees.
package struct NodeConnection: Sendable {
    private let client: GRPCClient<HTTP2ClientTransport.Posix>

    /// Runs `body` with a connection to `endpoint` ("host:port").
    package static func with<Result: Sendable>(
        endpoint: String, _ body: (NodeConnection) async throws -> Result
    ) async throws -> Result {
        let parts = endpoint.split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else {
            throw HarnessError("no endpoint: \(endpoint)")
        }
        let transport = try HTTP2ClientTransport.Posix(
            target: .ipv4(address: String(parts[0]), port: port), transportSecurity: .plaintext,
            config: .defaults { config in
                // A node that comes back is used again at once.
                config.backoff.initial = .milliseconds(20)
                config.backoff.max = .milliseconds(200)
            })
        return try await withGRPCClient(transport: transport) { client in
            try await body(NodeConnection(client: client))
        }
    }

    /// Runs `body` with a connection to each of `endpoints`, in their order.
    package static func withEach<Result: Sendable>(
        of endpoints: some Collection<String>, opened: [NodeConnection] = [],
        _ body: ([NodeConnection]) async throws -> Result
    ) async throws -> Result {
        guard let endpoint = endpoints.first else { return try await body(opened) }
        return try await with(endpoint: endpoint) { connection in
            try await withEach(
                of: Array(endpoints.dropFirst()), opened: opened + [connection], body)
        }
    }

    private static func options(_ seconds: Int) -> CallOptions {
        var options = CallOptions.defaults
        options.timeout = .seconds(seconds)
        options.waitForReady = false
        return options
    }

    package func status() async throws -> Latchd_V1_StatusResponse {
        try await Latchd_V1_Cluster.Client(wrapping: client).status(
            .init(), options: Self.options(2))
    }

    /// The Atomix latch stub, for calls as the contract writes them.
    package var latch: Atomix_Leader_LeaderLatchService.Client<HTTP2ClientTransport.Posix> {
        Atomix_Leader_LeaderLatchService.Client(wrapping: client)
    }

    /// Our own service's stub.
    package var latchV1: Latchd_V1_LatchService.Client<HTTP2ClientTransport.Posix> {
        Latchd_V1_LatchService.Client(wrapping: client)
    }

    package var reflection: Grpc_Reflection_V1_ServerReflection.Client<HTTP2ClientTransport.Posix> {
        Grpc_Reflection_V1_ServerReflection.Client(wrapping: client)
    }

    package var controller: Atomix_Controller_ControllerService.Client<HTTP2ClientTransport.Posix> {
        Atomix_Controller_ControllerService.Client(wrapping: client)
    }

    package var primitives: Atomix_Primitive_PrimitiveService.Client<HTTP2ClientTransport.Posix> {
        Atomix_Primitive_PrimitiveService.Client(wrapping: client)
    }

    package var health: Grpc_Health_V1_Health.Client<HTTP2ClientTransport.Posix> {
        Grpc_Health_V1_Health.Client(wrapping: client)
    }

    package var cluster: Latchd_V1_Cluster.Client<HTTP2ClientTransport.Posix> {
        Latchd_V1_Cluster.Client(wrapping: client)
    }
}
