/// Header fields laid out in one array of bytes, ready to be handed to HTTP/2.
struct HeaderBlock {
    /// Where a field's name and value lie in `bytes`.
    struct Field {
        var name: Range<Int>
        var value: Range<Int>
    }

    private(set) var bytes: [UInt8] = []
    private(set) var fields: [Field] = []

    /// One value may take this many bytes after encoding; the rest is cut off. The peer's limit on
    /// a header list is often 8 KiB, and a longer block would fail the whole call.
    static let maximumValueBytes = 2048

    /// Appends a field whose value is printable ASCII already.
    mutating func append(_ name: String, _ value: String) {
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        bytes.append(contentsOf: value.utf8)
        fields.append(Field(name: start..<middle, value: middle..<bytes.count))
    }

    /// Appends a field with a value of any Unicode, percent-encoded (gRPC over HTTP/2,
    /// Status-Message).
    mutating func append(_ name: String, encoding value: String) {
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let middle = bytes.count
        appendPercentEncoded(value)
        fields.append(Field(name: start..<middle, value: middle..<bytes.count))
    }

    /// Appends all fields of another block.
    mutating func append(contentsOf other: HeaderBlock) {
        let shift = bytes.count
        bytes.append(contentsOf: other.bytes)
        for field in other.fields {
            let name = field.name.lowerBound + shift..<field.name.upperBound + shift
            let value = field.value.lowerBound + shift..<field.value.upperBound + shift
            fields.append(Field(name: name, value: value))
        }
    }

    /// The fields that end a call: grpc-status, grpc-message, and a service's own trailers.
    mutating func append(_ status: GRPCStatus, _ trailers: [(name: String, value: String)]) {
        append("grpc-status", String(status.code.rawValue))
        if !status.message.isEmpty { append("grpc-message", encoding: status.message) }
        for (name, value) in trailers where Self.isFieldName(name) {
            append(name.lowercased(), encoding: value)
        }
    }

    private mutating func appendPercentEncoded(_ value: String) {
        let hex: StaticString = "0123456789ABCDEF"
        let limit = bytes.count + Self.maximumValueBytes
        let last = value.utf8.count - 1
        var position = 0
        for scalar in value.unicodeScalars {
            let encoded = UTF8.encode(scalar)
            // A cut falls between scalars, so that what is left still decodes.
            if bytes.count + 3 * (encoded?.count ?? 0) > limit { return }
            for byte in encoded ?? UTF8.encodedReplacementCharacter {
                // RFC 9113 §8.2.1: no space at either end of a value.
                let isEdgeSpace = byte == 0x20 && (position == 0 || position == last)
                if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%"), !isEdgeSpace {
                    bytes.append(byte)
                } else {
                    bytes.append(UInt8(ascii: "%"))
                    bytes.append(hex.utf8Start[Int(byte >> 4)])
                    bytes.append(hex.utf8Start[Int(byte & 15)])
                }
                position += 1
            }
        }
    }

    /// Whether `name` may stand on the wire: a token, and not a pseudo-header (RFC 9110 §5.6.2).
    private static func isFieldName(_ name: String) -> Bool {
        let isToken = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "."):
                true
            default:  // default: open set (bytes)
                false
            }
        }
        return isToken && !name.isEmpty
    }
}
