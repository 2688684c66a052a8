import Foundation
import GRDB

/// Columns of rows that may be damaged: a wrong type is an error with a place, never a trap.
extension Row {
    func integer(_ column: String, _ path: String, _ table: String) throws(StorageFailure) -> Int64
    {
        guard let value = Int64.fromDatabaseValue(self[column] as DatabaseValue) else {
            throw .wrongType(column, path, table)
        }
        return value
    }

    /// An index or a count: never negative.
    func natural(_ column: String, _ path: String, _ table: String) throws(StorageFailure) -> UInt64
    {
        guard let value = UInt64(exactly: try integer(column, path, table)) else {
            throw .wrongType(column, path, table)
        }
        return value
    }

    func checksum(_ path: String, _ table: String) throws(StorageFailure) -> UInt32 {
        guard let value = UInt32(exactly: try integer("crc", path, table)) else {
            throw .wrongType("crc", path, table)
        }
        return value
    }

    /// Refuses the row of a table of one row under another id than 1. The checksum does not cover
    /// the id, and by it the row is replaced: the next write would add a second row.
    func requireOnlyID(_ path: String, _ table: String) throws(StorageFailure) {
        let id = try integer("id", path, table)
        guard id == 1 else {
            throw .damagedRow(path: path, table: table, row: "1", reason: "its id is \(id)")
        }
    }

    func text(_ column: String, _ path: String, _ table: String) throws(StorageFailure) -> String {
        let value = self[column] as DatabaseValue
        guard case .string(let text) = value.storage else {
            throw .wrongType(column, path, table)
        }
        return text
    }

    func bytes(_ column: String, _ path: String, _ table: String) throws(StorageFailure) -> [UInt8]
    {
        let value = self[column] as DatabaseValue
        guard case .blob(let data) = value.storage else {
            throw .wrongType(column, path, table)
        }
        return [UInt8](data)
    }
}

extension StorageFailure {
    static func wrongType(_ column: String, _ path: String, _ table: String) -> StorageFailure {
        .damagedRow(
            path: path, table: table, row: "any", reason: "\(column) has an impossible value")
    }
}
