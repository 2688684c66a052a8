import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import SwiftProtobuf

/// What every request of the Atomix service carries, checked.
struct AtomixRequest {
    let primitive: PrimitiveName
    let session: SessionID
    let requestID: UInt64
    let index: UInt64
    let streams: [StreamAcknowledgement]

    /// Streams that one keep-alive may name.
    private static let maximumStreams = 256

    enum Problem: Error {
        /// Only a hand-written caller causes it: gRPC INVALID_ARGUMENT (Clarified h).
        case malformed(String)
        /// Past a limit: status ERROR (Clarified e).
        case refused(Failure)
    }

    init(_ header: Atomix_Headers_RequestHeader, isPresent: Bool) throws(Problem) {
        guard isPresent else { throw .malformed("the request has no header") }
        guard header.hasName, !header.name.name.isEmpty else {
            throw .malformed("the request header has no name")
        }
        try Self.check(header.name.name, "name")
        try Self.check(header.name.namespace, "namespace")
        guard header.streams.count <= Self.maximumStreams else {
            throw .refused(
                Failure(
                    reason: .invalid,
                    message:
                        "\(header.streams.count) streams are listed, at most \(Self.maximumStreams) are taken"
                ))
        }
        primitive = PrimitiveName(namespace: header.name.namespace, name: header.name.name)
        session = header.sessionID
        requestID = header.requestID
        index = header.index
        streams = header.streams.map {
            StreamAcknowledgement(stream: $0.streamID, responseID: $0.responseID)
        }
    }

    /// Requires that a text fits the limit on names.
    static func check(_ text: String, _ field: String) throws(Problem) {
        guard text.utf8.count <= Limits.nameBytes else {
            throw .refused(
                Failure(
                    reason: .invalid,
                    message:
                        "the \(field) has \(text.utf8.count) bytes, at most \(Limits.nameBytes) are taken"
                ))
        }
    }

    /// The session timeout in milliseconds, rounded up: the default where there is none (S3),
    /// refused outside its range (A3).
    static func timeoutMilliseconds(
        _ timeout: Google_Protobuf_Duration, isPresent: Bool
    ) throws(Problem) -> UInt64 {
        guard isPresent else { return Limits.defaultTimeoutMilliseconds }
        let least = Limits.minimumTimeoutMilliseconds
        let most = Limits.maximumTimeoutMilliseconds
        let isSane =
            (0...Int64(most / 1_000)).contains(timeout.seconds)
            && (0..<1_000_000_000).contains(timeout.nanos)
        let milliseconds =
            isSane
            ? UInt64(timeout.seconds) * 1_000 + (UInt64(timeout.nanos) + 999_999) / 1_000_000 : 0
        guard isSane, (least...most).contains(milliseconds) else {
            throw .refused(
                Failure(
                    reason: .invalid,
                    message:
                        "the timeout of \(timeout.seconds) s and \(timeout.nanos) ns is outside \(least) ms to 24 h"
                ))
        }
        return milliseconds
    }
}
