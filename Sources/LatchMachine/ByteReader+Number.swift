import BinaryCoding

extension ByteReader {
    /// Reads a 64-bit number: an id, an index, a count of milliseconds.
    mutating func readNumber(_ field: StaticString) throws(DecodingFailure) -> UInt64 {
        try read(UInt64.self, field)
    }
}
