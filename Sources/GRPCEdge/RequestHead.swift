import NIOCore

/// What the edge needs to know of a request's headers, collected field by field.
struct RequestHead {
    /// A request that is answered without reaching a method.
    enum Refusal {
        /// Not gRPC at all: an HTTP status (gRPC over HTTP/2 asks for 415 on a wrong content-type).
        case http(HTTPRefusal)
        case grpc(GRPCStatus)
    }

    enum HTTPRefusal {
        case methodNotAllowed
        case unsupportedMediaType
    }

    private enum Timeout {
        case none
        case after(TimeAmount)
        case malformed
    }

    private(set) var methodIndex: Int?
    private var isPost = false
    private var isGRPC = false
    private var takesTrailers = false
    private var timeout = Timeout.none
    /// RFC 9113 §6.5.2: name and value and 32 a field.
    private(set) var listBytes = 0

    /// Takes one field in.
    mutating func take(
        name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>, methods: MethodTable
    ) {
        listBytes &+= name.count &+ value.count &+ 32
        // The length tells nearly all names apart; only these five matter.
        switch name.count {
        case 2: if name.equals("te") { takesTrailers = value.equals("trailers") }
        case 5: if name.equals(":path") { methodIndex = methods.index(of: value) }
        case 7: if name.equals(":method") { isPost = value.equals("POST") }
        case 12:
            if name.equals("content-type") {
                isGRPC = Self.isGRPCContentType(value)
            } else if name.equals("grpc-timeout") {
                timeout = GRPCTimeout.parse(value).map(Timeout.after) ?? .malformed
            }
        default: break
        }
    }

    /// The point in time at which the client gives up, counted from now.
    func deadline() -> NIODeadline? {
        switch timeout {
        case .none, .malformed: nil
        case .after(let amount): .now() + amount
        }
    }

    /// Why the request cannot be served, if so.
    func refusal() -> Refusal? {
        guard isPost else { return .http(.methodNotAllowed) }
        guard isGRPC else { return .http(.unsupportedMediaType) }
        guard takesTrailers else {
            let message = "the request lacks 'te: trailers': a proxy in between may drop the status"
            return .grpc(GRPCStatus(.internalError, message))
        }
        if case .malformed = timeout {
            return .grpc(GRPCStatus(.internalError, "grpc-timeout is malformed"))
        }
        guard methodIndex != nil else {
            return .grpc(GRPCStatus(.unimplemented, "this server has no such method"))
        }
        return nil
    }

    /// "application/grpc", alone or followed by "+" or ";".
    private static func isGRPCContentType(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        let base: StaticString = "application/grpc"
        let length = base.utf8CodeUnitCount
        guard value.count >= length else { return false }
        guard UnsafeBufferPointer(rebasing: value[..<length]).equals(base) else { return false }
        guard value.count > length else { return true }
        return value[length] == UInt8(ascii: "+") || value[length] == UInt8(ascii: ";")
    }
}

/// grpc-timeout: at most eight digits and a unit (gRPC over HTTP/2, Timeout).
enum GRPCTimeout {
    /// A timeout beyond this is as good as none, and must not overflow a clock.
    private static let longest = TimeAmount.hours(24 * 365)

    /// The amount, or nil when malformed.
    static func parse(_ value: UnsafeBufferPointer<UInt8>) -> TimeAmount? {
        guard (2...9).contains(value.count), let unit = value.last else { return nil }
        var number: Int64 = 0
        for byte in value.dropLast() {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        // Eight digits of hours are 3.6e20 ns, more than 64 bits hold: cut before multiplying.
        switch unit {
        case UInt8(ascii: "H"): return .hours(min(number, 24 * 365))
        case UInt8(ascii: "M"): return min(.minutes(number), longest)
        case UInt8(ascii: "S"): return min(.seconds(number), longest)
        case UInt8(ascii: "m"): return .milliseconds(number)
        case UInt8(ascii: "u"): return .microseconds(number)
        case UInt8(ascii: "n"): return .nanoseconds(number)
        default:  // default: open set (bytes)
            return nil
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether these are the bytes of `text`.
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index] != text.utf8Start[index] { return false }
        return true
    }
}
