import GRPCEdge
import SwiftProtobuf

extension FramedMessage {
    /// Encodes a message straight into its wire form: five bytes for the gRPC prefix, then the
    /// message.
    ///
    /// - Throws: `BinaryEncodingError` for a message over 2 GiB.
    init(_ message: some SwiftProtobuf.Message) throws {
        let encoded: PrefixedBytes = try message.serializedBytes()
        self.init(framed: encoded.bytes)
    }
}

/// Bytes with room for the gRPC prefix in front.
private struct PrefixedBytes: SwiftProtobufContiguousBytes {
    /// A flag and a 32-bit length.
    static let prefix = 5

    var bytes: [UInt8]

    init(repeating value: UInt8, count: Int) {
        bytes = [UInt8](repeating: value, count: Self.prefix + count)
    }

    init<S: Sequence>(_ sequence: S) where S.Element == UInt8 {
        bytes = [UInt8](repeating: 0, count: Self.prefix)
        bytes.append(contentsOf: sequence)
    }

    var count: Int { bytes.count - Self.prefix }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[Self.prefix...])) }
    }

    mutating func withUnsafeMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> R
    ) rethrows -> R {
        try bytes.withUnsafeMutableBytes {
            try body(UnsafeMutableRawBufferPointer(rebasing: $0[Self.prefix...]))
        }
    }
}

extension Call {
    /// Answers a unary call.
    func reply(_ message: some SwiftProtobuf.Message, failure: Failure? = nil) {
        do {
            reply(try FramedMessage(message), trailers: failure?.trailers ?? [])
        } catch {
            finish(
                GRPCStatus(code: .internalError, message: "the answer does not encode: \(error)"))
        }
    }

    /// Sends one message of a stream.
    func send(_ message: some SwiftProtobuf.Message) {
        do {
            send(try FramedMessage(message))
        } catch {
            finish(
                GRPCStatus(code: .internalError, message: "the message does not encode: \(error)"))
        }
    }

    /// Decodes the one request of a call, or answers INVALID_ARGUMENT (Clarified e).
    func decode<Request: SwiftProtobuf.Message>(
        _ type: Request.Type, from bytes: UnsafeRawBufferPointer
    ) -> Request? {
        do {
            return try Request(serializedBytes: bytes.bytes)
        } catch {
            finish(
                GRPCStatus(
                    code: .invalidArgument,
                    message: "the request is not a \(Request.protoMessageName): \(error)"))
            return nil
        }
    }
}
