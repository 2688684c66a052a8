/// Reads what ``ByteWriter`` wrote, checking every length before it touches or allocates anything.
///
/// The reader borrows memory, so it lives only inside the closure of ``withReader(over:_:)`` or of
/// the `withUnsafeBytes` call that supplied its buffer.
package struct ByteReader {
    private let buffer: UnsafeRawBufferPointer
    private var offset = 0

    /// Reads from memory that outlives the reader.
    package init(_ buffer: UnsafeRawBufferPointer) {
        self.buffer = buffer
    }

    /// Runs `body` with a reader over `bytes` and requires that it consumes all of them.
    ///
    /// - Throws: What `body` throws; ``DecodingFailure/trailingBytes(count:)`` if bytes remain.
    package static func withReader<Result>(
        over bytes: some ContiguousBytesProvider,
        _ body: (inout ByteReader) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        try bytes.withContiguousBytes { (buffer) throws(DecodingFailure) -> Result in
            var reader = ByteReader(buffer)
            let result = try body(&reader)
            try reader.finish()
            return result
        }
    }

    /// The number of bytes not yet read.
    package var remaining: Int { buffer.count - offset }

    /// Requires that every byte was read.
    package func finish() throws(DecodingFailure) {
        guard remaining == 0 else { throw .trailingBytes(count: remaining) }
    }

    /// Reads a fixed-width integer, most significant byte first.
    @inline(__always)
    package mutating func read<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self, _ field: StaticString
    ) throws(DecodingFailure) -> Value {
        let width = MemoryLayout<Value>.size
        guard remaining >= width else {
            throw .truncated(field: "\(field)", needed: width, available: remaining)
        }
        let value = buffer.loadUnaligned(fromByteOffset: offset, as: Value.self)
        offset += width
        return Value(bigEndian: value)
    }

    /// Reads one byte that must be 0 or 1.
    package mutating func readBool(_ field: StaticString) throws(DecodingFailure) -> Bool {
        switch try read(UInt8.self, field) {
        case 0: return false
        case 1: return true
        case let other: throw .invalid(field: "\(field)", reason: "\(other) is neither 0 nor 1")
        }
    }

    /// Reads `count` bytes without copying them; the result is valid as long as the buffer is.
    package mutating func readRaw(
        count: Int, _ field: StaticString
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else {
            throw .truncated(field: "\(field)", needed: count, available: remaining)
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + count])
    }

    /// Reads a 32-bit count and that many bytes, refusing counts over `limit`.
    package mutating func readBlob(
        _ field: StaticString, limit: Int
    ) throws(DecodingFailure) -> [UInt8] {
        let length = try read(UInt32.self, field)
        guard length <= limit else {
            throw .tooLong(field: "\(field)", length: UInt64(length), limit: limit)
        }
        return [UInt8](try readRaw(count: Int(length), field))
    }

    /// Reads a 32-bit count and that many bytes of valid UTF-8, refusing counts over `limit`.
    package mutating func readString(
        _ field: StaticString, limit: Int
    ) throws(DecodingFailure) -> String {
        let length = try read(UInt32.self, field)
        guard length <= limit else {
            throw .tooLong(field: "\(field)", length: UInt64(length), limit: limit)
        }
        let raw = try readRaw(count: Int(length), field)
        guard let text = String(validating: raw, as: UTF8.self) else {
            throw .invalid(field: "\(field)", reason: "the bytes are not UTF-8")
        }
        return text
    }

    /// Reads a 32-bit number of elements that each take at least `minimumBytesEach` bytes.
    ///
    /// A count that the remaining bytes cannot hold is refused, so it is safe to reserve for it.
    package mutating func readCount(
        _ field: StaticString, minimumBytesEach: Int, limit: Int = .max
    ) throws(DecodingFailure) -> Int {
        let count = Int(try read(UInt32.self, field))
        guard count <= limit else {
            throw .tooLong(field: "\(field)", length: UInt64(count), limit: limit)
        }
        let (needed, overflow) = count.multipliedReportingOverflow(by: minimumBytesEach)
        guard !overflow, needed <= remaining else {
            throw .truncated(field: "\(field)", needed: needed, available: remaining)
        }
        return count
    }
}

/// Something whose bytes lie in one piece of memory.
package protocol ContiguousBytesProvider {
    /// Runs `body` with the bytes.
    func withContiguousBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result
}

extension Array<UInt8>: ContiguousBytesProvider {
    package func withContiguousBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        try withUnsafeBufferPointer { (buffer) throws(DecodingFailure) -> Result in
            try body(UnsafeRawBufferPointer(buffer))
        }
    }
}

extension ArraySlice<UInt8>: ContiguousBytesProvider {
    package func withContiguousBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(DecodingFailure) -> Result
    ) throws(DecodingFailure) -> Result {
        try withUnsafeBufferPointer { (buffer) throws(DecodingFailure) -> Result in
            try body(UnsafeRawBufferPointer(buffer))
        }
    }
}
