import BinaryCoding
import RaftCore

extension ByteReader {
    /// Reads a server's id; zero is never a server.
    mutating func readServerID(_ field: StaticString) throws(DecodingFailure) -> ServerID {
        let value = try read(UInt16.self, field)
        guard value != 0 else { throw .invalid(field: "\(field)", reason: "0 is never a server") }
        return ServerID(value)
    }

    /// Reads a term, refusing values that no cluster reaches (C21).
    mutating func readTerm(_ field: StaticString) throws(DecodingFailure) -> Term {
        Term(try readBounded(field, by: WireLimits.largestNumber))
    }

    /// Reads an index, refusing values that no log reaches (C21).
    mutating func readLogIndex(_ field: StaticString) throws(DecodingFailure) -> LogIndex {
        LogIndex(try readBounded(field, by: WireLimits.largestNumber))
    }

    /// Reads a position in, or the size of, a snapshot, in bytes.
    mutating func readSnapshotOffset(_ field: StaticString) throws(DecodingFailure) -> UInt64 {
        try readBounded(field, by: UInt64(Snapshot.maximumBytes))
    }

    /// Reads the byte that says which case of a result follows.
    mutating func readResultTag(_ field: StaticString) throws(DecodingFailure) -> ResultTag {
        let code = try read(UInt8.self, field)
        guard let tag = ResultTag(rawValue: code) else {
            throw .invalid(field: "\(field)", reason: "\(code) is not a result")
        }
        return tag
    }

    private mutating func readBounded(
        _ field: StaticString, by limit: UInt64
    ) throws(DecodingFailure) -> UInt64 {
        let value = try read(UInt64.self, field)
        guard value <= limit else {
            throw .invalid(field: "\(field)", reason: "\(value) is over \(limit)")
        }
        return value
    }
}
