/// The status codes of gRPC, with their numbers on the wire.
package enum GRPCStatusCode: Int, Sendable {
    case ok = 0
    case cancelled
    case unknown
    case invalidArgument
    case deadlineExceeded
    case notFound
    case alreadyExists
    case permissionDenied
    case resourceExhausted
    case failedPrecondition
    case aborted
    case outOfRange
    case unimplemented
    case internalError = 13
    case unavailable = 14
    case dataLoss
    case unauthenticated
}

/// How a call ends: a code, and for people a message.
package struct GRPCStatus: Sendable {
    /// The code a client's program decides by.
    package var code: GRPCStatusCode
    /// The text a client's user reads; any Unicode, percent-encoded on the wire.
    package var message: String

    /// Makes a status.
    package init(_ code: GRPCStatusCode, _ message: String = "") {
        self.code = code
        self.message = message
    }

    /// Makes a status.
    package init(code: GRPCStatusCode, message: String) {
        self.init(code, message)
    }

    /// Success, without a message.
    package static let ok = GRPCStatus(.ok)
}
