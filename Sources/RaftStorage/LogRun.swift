import BinaryCoding
import RaftCore

/// Contiguous entries as one row of the log: one group commit, one row.
///
/// Bytes: for each entry its term (64 bits), the length of its payload (32 bits) and the payload.
struct LogRun: Equatable, Sendable {
    let firstIndex: LogIndex
    let lastIndex: LogIndex
    let bytes: [UInt8]

    /// Bytes that an entry takes beside its payload.
    static let overheadBytes = 12

    /// Bound to the table and to the indexes: a row read from a wrong or stale page does not match
    /// (D13).
    var checksum: UInt32 {
        var crc = CRC32C()
        crc.update(Array("log".utf8))
        crc.update(firstIndex.rawValue)
        crc.update(lastIndex.rawValue)
        crc.update(bytes)
        return crc.value
    }

    /// Cuts contiguous entries into runs of at most `maximumBytes`; a longer entry has its own.
    static func runs(of entries: ArraySlice<Entry>, maximumBytes: Int) -> [LogRun] {
        var runs: [LogRun] = []
        var rest = entries
        while let first = rest.first {
            var count = 0
            var size = 0
            for entry in rest {
                let added = overheadBytes + entry.payload.count
                if count > 0, size + added > maximumBytes { break }
                count += 1
                size += added
            }
            var writer = ByteWriter(reservingCapacity: size)
            for entry in rest.prefix(count) {
                writer.write(entry.term.rawValue)
                writer.writeBlob(entry.payload)
            }
            let last = first.index.advanced(by: count - 1)
            runs.append(LogRun(firstIndex: first.index, lastIndex: last, bytes: writer.bytes))
            rest = rest.dropFirst(count)
        }
        return runs
    }

    /// The entries, whose number must be what the indexes say.
    func entries() throws(DecodingFailure) -> [Entry] {
        guard firstIndex <= lastIndex else {
            throw .invalid(field: "last_index", reason: "\(lastIndex) is before \(firstIndex)")
        }
        let count = lastIndex.rawValue - firstIndex.rawValue + 1
        guard count <= UInt64(bytes.count / Self.overheadBytes) else {
            throw .truncated(
                field: "entries", needed: Int(clamping: count), available: bytes.count)
        }
        return try ByteReader.withReader(over: bytes) { (reader) throws(DecodingFailure) in
            var entries: [Entry] = []
            entries.reserveCapacity(Int(count))
            for offset in 0..<count {
                let term = Term(try reader.read(UInt64.self, "term"))
                let payload = try reader.readBlob("payload", limit: Int(Int32.max))
                let index = LogIndex(firstIndex.rawValue + offset)
                entries.append(Entry(index: index, term: term, payload: payload))
            }
            return entries
        }
    }
}
