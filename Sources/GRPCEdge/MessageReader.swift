/// Cuts the bytes of a request into messages (gRPC over HTTP/2, Length-Prefixed-Message).
///
/// Messages that arrive whole are handed on where they lie; only the rest of an incomplete one is
/// copied and kept.
struct MessageReader {
    /// What is kept, behind `start` bytes that were handed on.
    private var bytes: [UInt8] = []
    private var start = 0

    /// What the first bytes of a message say.
    enum Prefix {
        case incomplete
        case message(length: Int)
        case bad(GRPCStatusFailure)
    }

    /// Bytes that are kept.
    var count: Int { bytes.count &- start }
    var isEmpty: Bool { count == 0 }

    /// Lends the kept bytes.
    func withKept<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
    }

    /// Keeps bytes until the rest of their message arrives.
    mutating func keep(_ more: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: more)
    }

    /// Gives the kept bytes away.
    mutating func take() -> MessageReader {
        defer { self = MessageReader() }
        return self
    }

    /// All but the last `count` bytes were handed on. Returns how many bytes of memory that frees:
    /// they are moved when there are fewer left than gone, not for each message.
    mutating func drop(allBut count: Int) -> Int {
        start = bytes.count &- count
        guard start >= count else { return 0 }
        defer { start = 0 }
        bytes.removeFirst(start)
        return start
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
