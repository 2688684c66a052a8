package import GRPCCore
package import LatchAPI
import LatchClient
import SwiftProtobuf

/// Why an Atomix call did not succeed, as its trailing metadata says it.
package struct AtomixFailure: Error, CustomStringConvertible, Equatable {
    /// `latchd-reason`.
    package let reason: String
    package let message: String

    package init(reason: String, message: String) {
        self.reason = reason
        self.message = message
    }

    package var description: String { "\(reason): \(message)" }

    /// The same request id may be sent again: nothing was done, or that settles what was.
    package var isRetryable: Bool {
        ["no-leader", "overloaded", "outcome-unknown"].contains(reason)
    }
}

extension Metadata {
    /// `latchd-reason`, with which a call fails; nil if the node did not say one.
    package var reason: String? { self[stringValues: "latchd-reason"].first { _ in true } }
}

extension RPCError {
    /// Why a call of `latchd.v1` fails.
    package var reason: String? { metadata.reason }
}

/// One attempt of an Atomix call at one node, with a deadline, and with the reason if it fails.
package struct AtomixAttempt: Sendable {
    package let connection: NodeConnection
    package let options: CallOptions

    package init(_ connection: NodeConnection, timeout: Duration = .seconds(2)) {
        self.connection = connection
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = false
        self.options = options
    }

    package func create(
        _ header: Atomix_Headers_RequestHeader, milliseconds: Int
    ) async throws -> Atomix_Leader_CreateResponse {
        let request = Atomix_Leader_CreateRequest.with {
            $0.header = header
            $0.timeout = .with {
                $0.seconds = Int64(milliseconds / 1_000)
                $0.nanos = Int32(milliseconds % 1_000) * 1_000_000
            }
        }
        return try await connection.latch.create(request, options: options) {
            try Self.judge($0, \.header)
        }
    }

    package func latch(
        _ header: Atomix_Headers_RequestHeader, _ participant: String
    ) async throws -> Atomix_Leader_LatchResponse {
        let request = Atomix_Leader_LatchRequest.with {
            $0.header = header
            $0.participantID = participant
        }
        return try await connection.latch.latch(request, options: options) {
            try Self.judge($0, \.header)
        }
    }

    package func keepAlive(_ header: Atomix_Headers_RequestHeader) async throws {
        _ = try await connection.latch.keepAlive(.with { $0.header = header }, options: options) {
            try Self.judge($0, \.header)
        }
    }

    /// Ends the session; or every session of the latch, and removes that.
    package func close(
        _ header: Atomix_Headers_RequestHeader, delete: Bool = false
    ) async throws {
        let request = Atomix_Leader_CloseRequest.with {
            $0.header = header
            $0.delete = delete
        }
        _ = try await connection.latch.close(request, options: options) {
            try Self.judge($0, \.header)
        }
    }

    package func get(
        _ header: Atomix_Headers_RequestHeader
    ) async throws -> Atomix_Leader_GetResponse {
        try await connection.latch.get(.with { $0.header = header }, options: options) {
            try Self.judge($0, \.header)
        }
    }

    /// One latch as `latchd.v1` shows it.
    package func getLatch(
        _ name: String, namespace: String
    ) async throws -> Latchd_V1_GetLatchResponse {
        let request = Latchd_V1_GetLatchRequest.with {
            $0.namespace = namespace
            $0.name = name
        }
        return try await connection.cluster.getLatch(request, options: options)
    }

    /// A response, or the failure inside it.
    private static func judge<Response: SwiftProtobuf.Message>(
        _ response: ClientResponse<Response>,
        _ header: KeyPath<Response, Atomix_Headers_ResponseHeader>
    ) throws -> Response {
        let message = try response.message
        guard message[keyPath: header].status == .ok else {
            let metadata = response.trailingMetadata
            throw AtomixFailure(
                reason: metadata.reason ?? "none",
                message: metadata[stringValues: "latchd-message"].first { _ in true } ?? "")
        }
        return message
    }
}
