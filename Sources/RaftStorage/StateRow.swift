import BinaryCoding
import GRDB
import RaftCore

/// The one row with term and vote (B02), and with what the other tables must agree with.
///
/// Invariants: `firstIndex ≤ snapshotIndex + 1`, `snapshotIndex ≤ lastIndex`, `firstIndex ≤
/// lastIndex + 1`. Every transaction rewrites it, so it names the transaction that the whole file
/// stands at.
struct StateRow: Equatable, Sendable {
    var currentTerm = Term.zero
    var votedFor: ServerID?
    /// The number of the transaction that wrote this row; +1 each, across restarts.
    var sequence: UInt64 = 0
    /// The first entry that counts. A run of the log may begin before it: see ``purge``.
    var firstIndex = LogIndex(1)
    /// The last entry; `firstIndex - 1` if there is none.
    var lastIndex = LogIndex.zero
    /// 0 where there is no snapshot.
    var snapshotIndex = LogIndex.zero
    var snapshotTerm = Term.zero
    /// True from opening to a clean close. While it is, the write-ahead log file is never empty
    /// (D10).
    var isOpen = false

    /// Bound to the table and to every column.
    private var checksum: UInt32 {
        var crc = CRC32C()
        crc.update(Array("state".utf8))
        crc.update(currentTerm.rawValue)
        crc.update(votedFor?.rawValue ?? 0)
        crc.update(sequence)
        crc.update(firstIndex.rawValue)
        crc.update(lastIndex.rawValue)
        crc.update(snapshotIndex.rawValue)
        crc.update(snapshotTerm.rawValue)
        crc.update(UInt8(isOpen ? 1 : 0))
        return crc.value
    }

    static let insertion = """
        INSERT OR REPLACE INTO state (id, current_term, voted_for, sequence, first_index, \
        last_index, snapshot_index, snapshot_term, is_open, crc) \
        VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """

    /// Terms may use all 64 bits; indexes are compared by SQLite and so stay below 2^63.
    var columns: [Int64] {
        [
            Int64(bitPattern: currentTerm.rawValue), Int64(votedFor?.rawValue ?? 0),
            Int64(bitPattern: sequence), Int64(bitPattern: firstIndex.rawValue),
            Int64(bitPattern: lastIndex.rawValue), Int64(bitPattern: snapshotIndex.rawValue),
            Int64(bitPattern: snapshotTerm.rawValue), isOpen ? 1 : 0, Int64(checksum),
        ]
    }

    static func read(from database: Database, path: String) throws -> StateRow {
        let rows = try Row.fetchAll(database, sql: "SELECT * FROM state")
        guard let row = rows.first, rows.count == 1 else {
            throw StorageFailure.stateRowMissing(path: path)
        }
        let table = "state"
        try row.requireOnlyID(path, table)
        let vote = try row.natural("voted_for", path, table)
        guard let server = UInt16(exactly: vote) else {
            throw StorageFailure.wrongType("voted_for", path, table)
        }
        let state = StateRow(
            currentTerm: Term(UInt64(bitPattern: try row.integer("current_term", path, table))),
            votedFor: server == 0 ? nil : ServerID(server),
            sequence: try row.natural("sequence", path, table),
            firstIndex: LogIndex(try row.natural("first_index", path, table)),
            lastIndex: LogIndex(try row.natural("last_index", path, table)),
            snapshotIndex: LogIndex(try row.natural("snapshot_index", path, table)),
            snapshotTerm: Term(UInt64(bitPattern: try row.integer("snapshot_term", path, table))),
            isOpen: try row.natural("is_open", path, table) == 1)
        guard try row.checksum(path, table) == state.checksum else {
            throw StorageFailure.damagedRow(
                path: path, table: table, row: "1", reason: "the checksum does not match")
        }
        guard state.firstIndex.rawValue >= 1, state.firstIndex <= state.snapshotIndex.next(),
            state.snapshotIndex <= state.lastIndex
        else {
            throw StorageFailure.inconsistent(
                path: path,
                reason: "the log from \(state.firstIndex) to \(state.lastIndex) does not reach "
                    + "the snapshot at \(state.snapshotIndex)")
        }
        return state
    }
}
