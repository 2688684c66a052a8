import GRPCCore

/// Why a node refused, as its trailing metadata `latchd-reason` says.
package enum RefusalReason: Hashable, Sendable {
    case unknownSession
    case noLeader
    case overloaded
    /// A bound of the cluster: the final answer of the request id.
    case limit
    case outcomeUnknown
    case alreadyAcknowledged
    case gap
    case invalid
    /// The token is not the current grant's, or not of this session.
    case tokenMoved
    case noSuchParticipant
    case noSuchLatch
    /// None given, or one that this version does not know.
    case other(String)

    package init(_ text: String) {
        self =
            switch text {
            case "unknown-session": .unknownSession
            case "no-leader": .noLeader
            case "overloaded": .overloaded
            case "limit": .limit
            case "outcome-unknown": .outcomeUnknown
            case "already-acknowledged": .alreadyAcknowledged
            case "gap": .gap
            case "invalid": .invalid
            case "token-moved": .tokenMoved
            case "no-such-participant": .noSuchParticipant
            case "no-such-primitive", "no-such-latch": .noSuchLatch
            default: .other(text)
            }
    }

    /// The same request may succeed later or on another node: with the same request id unless
    /// ``spendsRequestID``.
    package var isWorthRetrying: Bool {
        switch self {
        case .noLeader, .overloaded, .limit, .outcomeUnknown, .other: true
        case .unknownSession, .alreadyAcknowledged, .gap, .invalid, .tokenMoved,
            .noSuchParticipant, .noSuchLatch:
            false
        }
    }

    /// The refusal is the stored answer to its request id: a repetition with the same id gets it
    /// again, for ever. What is not worth a repetition needs no other id.
    package var spendsRequestID: Bool { self == .limit }

    /// The node that says so may have done it all the same, or may do it yet.
    var leavesOpen: Bool {
        switch self {
        case .outcomeUnknown, .other: true
        case .unknownSession, .noLeader, .overloaded, .limit, .alreadyAcknowledged, .gap, .invalid,
            .tokenMoved, .noSuchParticipant, .noSuchLatch:
            false
        }
    }

    /// False for a reason of a newer server.
    var isKnown: Bool {
        if case .other = self { false } else { true }
    }

    var code: LatchError.Code {
        switch self {
        case .unknownSession: .sessionLost
        case .noLeader: .noLeader
        case .overloaded, .limit: .overloaded
        case .outcomeUnknown: .outcomeUnknown
        case .invalid: .invalidArgument
        case .tokenMoved: .tokenMoved
        case .noSuchParticipant, .noSuchLatch: .notFound
        case .alreadyAcknowledged, .gap, .other: .refused
        }
    }
}

/// A node's refusal of one call.
struct Refusal: Error, Sendable {
    let reason: RefusalReason
    let message: String

    init(_ reason: RefusalReason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// Reads `latchd-reason` and `latchd-message`; nil if there is no reason.
    init?(trailers: Metadata) {
        guard let reason = trailers[stringValues: "latchd-reason"].first(where: { _ in true })
        else { return nil }
        let message = trailers[stringValues: "latchd-message"].first(where: { _ in true })
        self.init(RefusalReason(reason), message.map(percentDecoded) ?? reason)
    }
}

/// Undoes the percent-encoding of header values; what is no valid encoding stays as it is.
package func percentDecoded(_ text: String) -> String {
    func hex(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
    let bytes = Array(text.utf8)
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var place = 0
    while place < bytes.count {
        if bytes[place] == 37, place + 2 < bytes.count,
            let high = hex(bytes[place + 1]), let low = hex(bytes[place + 2])
        {
            decoded.append(high << 4 | low)
            place += 3
        } else {
            decoded.append(bytes[place])
            place += 1
        }
    }
    return String(decoding: decoded, as: UTF8.self)
}
