import BinaryCoding
import Foundation
import GRDB
import RaftCore

/// The one snapshot: a row that describes it and rows with its bytes.
enum SnapshotTable {
    private static let name = "snapshot"
    private static let chunkName = "snapshot_chunk"

    /// Replaces the snapshot, within the caller's transaction.
    static func replace(with snapshot: Snapshot, chunkBytes: Int, in database: Database) throws {
        try database.execute(sql: "DELETE FROM snapshot_chunk")
        let insertion = try database.cachedStatement(
            sql: "INSERT INTO snapshot_chunk (number, bytes, crc) VALUES (?, ?, ?)")
        var chunks: UInt64 = 0
        var offset = 0
        while offset < snapshot.data.count {
            let end = min(offset + chunkBytes, snapshot.data.count)
            let checksum = chunkChecksum(chunks, snapshot, snapshot.data[offset..<end])
            try insertion.execute(arguments: [
                Int64(chunks), Data(snapshot.data[offset..<end]), Int64(checksum),
            ])
            chunks += 1
            offset = end
        }
        let description = Description(snapshot: snapshot, chunks: chunks)
        try database.cachedStatement(sql: Description.insertion).execute(
            arguments: description.arguments)
    }

    /// The snapshot that the state row names, whole and verified.
    static func read(from database: Database, state: StateRow, path: String) throws -> Snapshot? {
        let rows = try Row.fetchAll(database, sql: "SELECT * FROM snapshot")
        guard state.snapshotIndex > .zero else {
            guard rows.isEmpty else {
                throw StorageFailure.inconsistent(
                    path: path, reason: "there is a snapshot that the state row does not know")
            }
            return nil
        }
        guard let row = rows.first, rows.count == 1 else {
            throw StorageFailure.inconsistent(
                path: path, reason: "the snapshot at \(state.snapshotIndex) is missing")
        }
        let description = try Description(row, path: path)
        guard description.index == state.snapshotIndex, description.term == state.snapshotTerm
        else {
            throw StorageFailure.inconsistent(
                path: path,
                reason: "the snapshot is at index \(description.index), term \(description.term), "
                    + "but the state row says \(state.snapshotIndex), \(state.snapshotTerm)")
        }
        let data = try chunks(of: description, from: database, path: path)
        let snapshot = Snapshot(
            lastIncludedIndex: description.index, lastIncludedTerm: description.term, data: data)
        guard UInt64(data.count) == description.bytes,
            CRC32C.checksum(data) == description.dataChecksum
        else {
            throw StorageFailure.damagedRow(
                path: path, table: name, row: "1",
                reason: "the checksum of the whole does not match")
        }
        return snapshot
    }

    private static func chunks(
        of description: Description, from database: Database, path: String
    ) throws -> [UInt8] {
        let count = UInt64(
            try Int.fetchOne(database, sql: "SELECT count(*) FROM snapshot_chunk") ?? 0)
        guard count == description.chunks else {
            throw StorageFailure.snapshotIncomplete(
                path: path, expectedChunks: description.chunks, foundChunks: count)
        }
        var data: [UInt8] = []
        data.reserveCapacity(Int(min(description.bytes, UInt64(Snapshot.maximumBytes))))
        let rows = try Row.fetchCursor(
            database, sql: "SELECT * FROM snapshot_chunk ORDER BY number")
        var number: UInt64 = 0
        while let row = try rows.next() {
            guard try row.natural("number", path, chunkName) == number else {
                throw StorageFailure.snapshotIncomplete(
                    path: path, expectedChunks: description.chunks, foundChunks: number)
            }
            let bytes = try row.bytes("bytes", path, chunkName)
            let head = Snapshot(
                lastIncludedIndex: description.index, lastIncludedTerm: description.term, data: [])
            guard try row.checksum(path, chunkName) == chunkChecksum(number, head, bytes[...])
            else {
                throw StorageFailure.damagedRow(
                    path: path, table: chunkName, row: "\(number)",
                    reason: "the checksum does not match")
            }
            data.append(contentsOf: bytes)
            number += 1
        }
        return data
    }

    /// Bound to the table, the snapshot and the place in it.
    private static func chunkChecksum(
        _ number: UInt64, _ snapshot: Snapshot, _ bytes: ArraySlice<UInt8>
    ) -> UInt32 {
        var crc = CRC32C()
        crc.update(Array(chunkName.utf8))
        crc.update(snapshot.lastIncludedIndex.rawValue)
        crc.update(snapshot.lastIncludedTerm.rawValue)
        crc.update(number)
        bytes.withUnsafeBytes { crc.update($0) }
        return crc.value
    }

    /// The row of table `snapshot`.
    private struct Description {
        let index: LogIndex
        let term: Term
        let bytes: UInt64
        let chunks: UInt64
        /// Over all bytes of the snapshot.
        let dataChecksum: UInt32

        static let insertion = """
            INSERT OR REPLACE INTO snapshot (id, last_included_index, last_included_term, bytes, \
            chunks, checksum, crc) VALUES (1, ?, ?, ?, ?, ?, ?)
            """

        init(snapshot: Snapshot, chunks: UInt64) {
            index = snapshot.lastIncludedIndex
            term = snapshot.lastIncludedTerm
            bytes = UInt64(snapshot.data.count)
            self.chunks = chunks
            dataChecksum = CRC32C.checksum(snapshot.data)
        }

        init(_ row: Row, path: String) throws(StorageFailure) {
            try row.requireOnlyID(path, name)
            index = LogIndex(try row.natural("last_included_index", path, name))
            term = Term(UInt64(bitPattern: try row.integer("last_included_term", path, name)))
            bytes = try row.natural("bytes", path, name)
            chunks = try row.natural("chunks", path, name)
            guard let data = UInt32(exactly: try row.integer("checksum", path, name)) else {
                throw .wrongType("checksum", path, name)
            }
            dataChecksum = data
            guard try row.checksum(path, name) == checksum else {
                throw .damagedRow(
                    path: path, table: name, row: "1", reason: "the checksum does not match")
            }
        }

        private var checksum: UInt32 {
            var crc = CRC32C()
            crc.update(Array(name.utf8))
            crc.update(index.rawValue)
            crc.update(term.rawValue)
            crc.update(bytes)
            crc.update(chunks)
            crc.update(dataChecksum)
            return crc.value
        }

        var arguments: StatementArguments {
            [
                Int64(bitPattern: index.rawValue), Int64(bitPattern: term.rawValue), Int64(bytes),
                Int64(chunks), Int64(dataChecksum), Int64(checksum),
            ]
        }
    }
}
