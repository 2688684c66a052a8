import GRPCCore
import LatchAPI
import SwiftProtobuf

/// A response of the Atomix service: its failures are in its header, not in the gRPC status.
protocol AtomixResponse: Sendable {
    var header: Atomix_Headers_ResponseHeader { get }
}

extension Atomix_Leader_CreateResponse: AtomixResponse {}
extension Atomix_Leader_KeepAliveResponse: AtomixResponse {}
extension Atomix_Leader_CloseResponse: AtomixResponse {}
extension Atomix_Leader_LatchResponse: AtomixResponse {}

/// The message of `response`, if its header says OK.
/// - Throws: ``Refusal``, ``Redirect``, `RPCError`.
@Sendable
func accepted<Message: AtomixResponse>(_ response: ClientResponse<Message>) throws -> Message {
    let message = try response.message
    try check(message.header, trailers: response.trailingMetadata)
    return message
}

func check(_ header: Atomix_Headers_ResponseHeader, trailers: Metadata) throws {
    switch header.status {
    case .ok: return
    case .notLeader: throw Redirect(leader: Endpoint(header.leader))
    case .error, .UNRECOGNIZED:
        throw Refusal(trailers: trailers)
            ?? Refusal(.other(""), "refused without a reason")
    }
}

extension Calls.Attempt {
    private var latch: Atomix_Leader_LeaderLatchService.Client<NodeTransport> {
        Atomix_Leader_LeaderLatchService.Client(wrapping: connection)
    }

    func create(_ request: Atomix_Leader_CreateRequest) async throws
        -> Atomix_Leader_CreateResponse
    {
        try await latch.create(
            request, options: options, onResponse: { try accepted($0) })
    }

    func keepAlive(_ request: Atomix_Leader_KeepAliveRequest) async throws
        -> Atomix_Leader_KeepAliveResponse
    {
        try await latch.keepAlive(
            request, options: options, onResponse: { try accepted($0) })
    }

    func close(_ request: Atomix_Leader_CloseRequest) async throws -> Atomix_Leader_CloseResponse {
        try await latch.close(request, options: options, onResponse: { try accepted($0) })
    }

    func join(_ request: Atomix_Leader_LatchRequest) async throws -> Atomix_Leader_LatchResponse {
        try await latch.latch(request, options: options, onResponse: { try accepted($0) })
    }

    func events(
        _ request: Atomix_Leader_EventRequest,
        onResponse:
            @escaping @Sendable (StreamingClientResponse<Atomix_Leader_EventResponse>) async throws
            -> EventsEnd
    ) async throws -> EventsEnd {
        try await latch.events(request, options: options, onResponse: onResponse)
    }

    /// The latch that `name` names, linearizable.
    func latch(_ name: LatchName) async throws -> Latchd_V1_GetLatchResponse {
        let cluster = Latchd_V1_Cluster.Client(wrapping: connection)
        return try await cluster.getLatch(
            .with {
                $0.namespace = name.namespace
                $0.name = name.name
            }, options: options)
    }
}
