/// Why bytes could not be read: an operating error of a disk, a peer or a snapshot, never a trap.
package enum DecodingFailure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes end before the value does. Counts are in bytes.
    case truncated(field: String, needed: Int, available: Int)
    /// A length or count is larger than the reader accepts.
    case tooLong(field: String, length: UInt64, limit: Int)
    /// A value is outside the set its field allows.
    case invalid(field: String, reason: String)
    /// Bytes remain after the last field.
    case trailingBytes(count: Int)
    /// The stored checksum and the one over the bytes differ.
    case checksumMismatch(field: String, stored: UInt32, computed: UInt32)

    package var description: String {
        switch self {
        case .truncated(let field, let needed, let available):
            "\(field): needs \(needed) bytes, only \(available) are left"
        case .tooLong(let field, let length, let limit):
            "\(field): length \(length) is over the limit of \(limit)"
        case .invalid(let field, let reason):
            "\(field): \(reason)"
        case .trailingBytes(let count):
            "\(count) unexpected bytes after the last field"
        case .checksumMismatch(let field, let stored, let computed):
            "\(field): checksum 0x\(String(stored, radix: 16)) is stored, "
                + "0x\(String(computed, radix: 16)) was computed"
        }
    }
}
