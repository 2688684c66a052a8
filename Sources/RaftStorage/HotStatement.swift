import GRDB
import GRDBSQLite

/// A statement of every transaction: prepared once by GRDB, bound and run directly, without a copy
/// of the blob and without GRDB's argument and observer steps (figures in `Docs/Storage.md`).
struct HotStatement {
    /// Keeps the handle alive.
    private let statement: Statement
    private let database: Database

    init(_ database: Database, sql: String) throws {
        self.database = database
        statement = try database.makeStatement(sql: sql)
    }

    /// Runs it with these integers from position 1 on and, if given, a blob at `blobPosition`.
    func run(_ integers: [Int64], blob: [UInt8] = [], blobPosition: Int32? = nil) throws {
        let handle = statement.sqliteStatement
        for (offset, integer) in integers.enumerated() {
            try check(sqlite3_bind_int64(handle, Int32(offset) + 1, integer))
        }
        guard let blobPosition else { return try step(handle) }
        try blob.withUnsafeBytes { bytes in
            // No destructor: SQLite does not copy, and the bytes outlive the step.
            try check(
                sqlite3_bind_blob64(
                    handle, blobPosition, bytes.baseAddress, UInt64(bytes.count), nil))
            defer { sqlite3_clear_bindings(handle) }
            try step(handle)
        }
    }

    private func step(_ handle: SQLiteStatement) throws {
        let code = sqlite3_step(handle)
        // The message belongs to the step: it is read before the reset.
        let failure = code == SQLITE_DONE ? nil : error(code)
        sqlite3_reset(handle)
        if let failure { throw failure }
    }

    private func check(_ code: CInt) throws {
        guard code == SQLITE_OK else { throw error(code) }
    }

    private func error(_ code: CInt) -> DatabaseError {
        DatabaseError(resultCode: ResultCode(rawValue: code), message: database.lastErrorMessage)
    }
}
