/// Appends big-endian integers and length-prefixed bytes to one growing buffer.
///
/// The mirror image of ``ByteReader``: what one writes, the other reads, in the same order.
package struct ByteWriter: Sendable {
    /// Everything written so far.
    package private(set) var bytes: [UInt8]

    package init(reservingCapacity capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// The number of bytes written so far.
    package var count: Int { bytes.count }

    /// Writes a fixed-width integer, most significant byte first.
    @inline(__always)
    package mutating func write<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Writes one byte: 1 for true, 0 for false.
    package mutating func write(_ value: Bool) {
        bytes.append(value ? 1 : 0)
    }

    /// Writes bytes as they are, with no length before them.
    package mutating func writeRaw(_ raw: some Sequence<UInt8>) {
        bytes.append(contentsOf: raw)
    }

    /// Writes bytes as they are, with no length before them.
    package mutating func writeRaw(_ raw: UnsafeRawBufferPointer) {
        bytes.append(contentsOf: raw)
    }

    /// Writes a 32-bit count of bytes, then the bytes. The count must fit: callers bound their
    /// data.
    package mutating func writeBlob(_ blob: some Collection<UInt8>) {
        write(UInt32(blob.count))
        bytes.append(contentsOf: blob)
    }

    /// Writes a 32-bit count of UTF-8 bytes, then the bytes.
    package mutating func write(_ text: String) {
        writeBlob(text.utf8)
    }

    /// Overwrites a fixed-width integer written earlier, such as a length known only at the end.
    package mutating func overwrite<Value: FixedWidthInteger>(at offset: Int, with value: Value) {
        withUnsafeBytes(of: value.bigEndian) { source in
            for (position, byte) in source.enumerated() { bytes[offset + position] = byte }
        }
    }
}
