/// A message ready for the wire: the five-byte gRPC prefix (flag 0, big-endian length) and the
/// message itself. Never compressed.
package struct FramedMessage: Sendable {
    /// The prefix and the message.
    package var bytes: [UInt8]

    /// The size of the gRPC prefix in bytes.
    package static let prefixBytes = 5

    /// Copies `message` behind a prefix.
    package init(prefixing message: [UInt8]) {
        var framed: [UInt8] = []
        framed.reserveCapacity(message.count &+ Self.prefixBytes)
        framed.append(contentsOf: [0, 0, 0, 0, 0])
        framed.append(contentsOf: message)
        self.init(framed: framed)
    }

    /// Takes bytes that already start with five reserved bytes and fills in flag and length.
    /// Nothing is copied when the caller gives its only reference away.
    package init(framed: consuming [UInt8]) {
        precondition(framed.count >= Self.prefixBytes, "the gRPC prefix needs five reserved bytes")
        bytes = framed
        let length = UInt32(truncatingIfNeeded: bytes.count &- Self.prefixBytes)
        bytes.withUnsafeMutableBytes { raw in
            raw[0] = 0
            raw.storeBytes(of: length.bigEndian, toByteOffset: 1, as: UInt32.self)
        }
    }
}
