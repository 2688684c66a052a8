package import BinaryCoding
package import NIOCore

/// Cuts a stream of bytes into frames, wherever the network has split it.
///
/// Holds at most one unfinished frame and the rest of one read. A length is checked against
/// ``limit`` before a byte of the frame is waited for (N11).
package struct FrameAssembler {
    /// The largest acceptable value of a length field. Small until a connection is established.
    package var limit: Int
    private var unread = ByteBuffer()

    package init(limit: Int) { self.limit = limit }

    /// Adds what the socket delivered.
    package mutating func append(_ bytes: ByteBuffer) {
        if unread.readableBytes == 0 {
            unread = bytes
        } else {
            unread.discardReadBytes()
            var bytes = bytes
            unread.writeBuffer(&bytes)
        }
    }

    /// Verifies and takes the next whole frame.
    ///
    /// - Returns: What `body` made of the frame's type and a reader over its body, all of which it
    ///   must consume; nil until a whole frame is there.
    /// - Throws: ``DecodingFailure`` for an impossible length, a checksum that `seal` does not
    ///   yield, a type that does not exist, and whatever `body` throws.
    package mutating func next<Frame>(
        seal: inout FrameSeal,
        _ body: (FrameType, inout ByteReader) throws(DecodingFailure) -> Frame
    ) throws(DecodingFailure) -> Frame? {
        guard let length = unread.getInteger(at: unread.readerIndex, as: UInt32.self) else {
            return nil
        }
        guard length <= limit else {
            throw .tooLong(field: "frame", length: UInt64(length), limit: limit)
        }
        guard length >= WireLimits.overheadBytes else {
            throw .invalid(field: "frame", reason: "length \(length) cannot hold a frame")
        }
        let total = WireLimits.lengthBytes + Int(length)
        guard unread.readableBytes >= total else {
            unread.reserveCapacity(minimumWritableBytes: total - unread.readableBytes)
            return nil
        }
        let result = unread.withUnsafeReadableBytes { bytes in
            let frame = UnsafeRawBufferPointer(rebasing: bytes[WireLimits.lengthBytes..<total])
            return FrameAssembler.open(frame, seal: &seal, body)
        }
        unread.moveReaderIndex(forwardBy: total)
        // Let the socket reuse its read buffer.
        if unread.readableBytes == 0 { unread = ByteBuffer() }
        return try result.get()
    }

    /// `frame` is type, body and checksum; its length is at least ``WireLimits/overheadBytes``.
    private static func open<Frame>(
        _ frame: UnsafeRawBufferPointer, seal: inout FrameSeal,
        _ body: (FrameType, inout ByteReader) throws(DecodingFailure) -> Frame
    ) -> Result<Frame, DecodingFailure> {
        let sealedBytes = frame.count - MemoryLayout<UInt32>.size
        let computed = seal.next(over: UnsafeRawBufferPointer(rebasing: frame[..<sealedBytes]))
        let stored = UInt32(
            bigEndian: frame.loadUnaligned(fromByteOffset: sealedBytes, as: UInt32.self))
        guard stored == computed else {
            return .failure(
                .checksumMismatch(field: "frame", stored: stored, computed: computed))
        }
        guard let type = FrameType(rawValue: frame[0]) else {
            return .failure(
                .invalid(field: "type", reason: "\(frame[0]) is not a frame of this version"))
        }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: frame[1..<sealedBytes]))
        do throws(DecodingFailure) {
            let result = try body(type, &reader)
            try reader.finish()
            return .success(result)
        } catch {
            return .failure(error)
        }
    }
}
