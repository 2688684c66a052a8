/// Cuts the bytes of a request into messages (gRPC over HTTP/2, Length-Prefixed-Message).
///
/// Messages that arrive whole are handed on where they lie; only the rest of an incomplete one is
/// copied and kept.
struct MessageReader {
    private(set) var kept: [UInt8] = []

    /// What the first bytes of a message say.
    enum Prefix {
        case incomplete
        case message(length: Int)
        case bad(GRPCStatusFailure)
    }

    /// Keeps bytes until the rest of their message arrives.
    mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        kept.append(contentsOf: bytes)
    }

    /// Gives the kept bytes away.
    mutating func takeKept() -> [UInt8] {
        let bytes = kept
        kept = []
        return bytes
    }

    /// Reads the five-byte prefix at the start of `bytes`.
    static func prefix(of bytes: UnsafeRawBufferPointer, limit: Int) -> Prefix {
        guard bytes.count >= FramedMessage.prefixBytes else { return .incomplete }
        let big = bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
        let length = Int(UInt32(bigEndian: big))
        guard bytes[0] <= 1 else {
            return .bad(GRPCStatusFailure(.internalError, "a message starts with an unknown flag"))
        }
        guard bytes[0] == 0 else {
            // What is accepted must be told with this status (gRPC, Compression).
            let accepted = [(name: "grpc-accept-encoding", value: "identity")]
            let message = "compressed messages are not supported"
            return .bad(GRPCStatusFailure(.unimplemented, message, trailers: accepted))
        }
        guard length <= limit else {
            let message = "a message of \(length) bytes exceeds the limit of \(limit)"
            return .bad(GRPCStatusFailure(.resourceExhausted, message))
        }
        return .message(length: length)
    }

    /// The one message that `bytes`, a whole request, must consist of.
    static func single(
        in bytes: UnsafeRawBufferPointer, limit: Int
    ) -> Result<UnsafeRawBufferPointer, GRPCStatusFailure> {
        switch prefix(of: bytes, limit: limit) {
        case .bad(let failure):
            return .failure(failure)
        case .incomplete:
            let what = bytes.isEmpty ? "carries no message" : "ends inside a message's prefix"
            return .failure(GRPCStatusFailure(.internalError, "the request \(what)"))
        case .message(let length):
            let body = UnsafeRawBufferPointer(rebasing: bytes[FramedMessage.prefixBytes...])
            if body.count == length { return .success(body) }
            let what = body.count < length ? "ends inside its message" : "has more than one message"
            return .failure(GRPCStatusFailure(.internalError, "the request \(what)"))
        }
    }
}

/// A refusal of the edge's own, as an error.
struct GRPCStatusFailure: Error {
    let status: GRPCStatus
    let trailers: [(name: String, value: String)]

    init(
        _ code: GRPCStatusCode, _ message: String,
        trailers: [(name: String, value: String)] = []
    ) {
        status = GRPCStatus(code, message)
        self.trailers = trailers
    }
}
