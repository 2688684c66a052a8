import GRDB
import GRDBSQLite
import Synchronization

/// The only connection to the database file.
///
/// WAL with an exclusive lock and no shared memory, an fsync at each commit, and no checkpoint that
/// was not asked for.
final class Connection: Sendable {
    let path: String
    private let queue: DatabaseQueue
    private let calls: any SystemCalls
    private let phase = Mutex(Phase.open)

    private enum Phase {
        case open
        case closed
        case abandoned
    }

    /// 3.37.0 (November 2021) is the first version with STRICT tables, which the schema is made of.
    static let minimumLibraryVersion: Int32 = 3_037_000

    init(path: String, options: StorageOptions) throws(StorageFailure) {
        try Self.checkLibrary(version: sqlite3_libversion_number())
        self.path = path
        calls = options.systemCalls
        var configuration = Configuration()
        configuration.busyMode = .immediateError
        configuration.foreignKeysEnabled = false
        // A failed write must reach the caller as an error; GRDB would trap on a transaction left
        // open.
        configuration.allowsUnsafeTransactions = true
        configuration.label = "latchd.storage"
        configuration.prepareDatabase { database in
            try Self.keepWriteAheadLogFile(of: database)
            try Self.setUp(database, options: options)
        }
        do {
            queue = try DatabaseQueue(path: path, configuration: configuration)
        } catch {
            throw StorageFailure(error, path: path)
        }
    }

    /// - Parameter version: As `sqlite3_libversion_number` gives it: 3037002 is 3.37.2.
    static func checkLibrary(version: Int32) throws(StorageFailure) {
        guard version < minimumLibraryVersion else { return }
        func text(_ version: Int32) -> String {
            "\(version / 1_000_000).\(version / 1_000 % 1_000).\(version % 1_000)"
        }
        throw .libraryTooOld(found: text(version), minimum: text(minimumLibraryVersion))
    }

    /// Runs `body` with the database, on this thread.
    func use<Result>(_ body: (Database) throws -> Result) throws(StorageFailure) -> Result {
        do {
            return try queue.writeWithoutTransaction(body)
        } catch {
            throw StorageFailure(error, path: path)
        }
    }

    /// Closes the file. SQLite checkpoints what it can and leaves the write-ahead log file in
    /// place.
    func close() throws(StorageFailure) {
        guard leaveOpenPhase(for: .closed) else { return }
        do {
            try queue.close()
        } catch {
            throw StorageFailure(error, path: path)
        }
    }

    /// Never closes the file. Closing would run a checkpoint: one more write to a database that
    /// failed (D1) or is damaged. The process is about to end, and the kernel closes the file then.
    func abandon() {
        guard leaveOpenPhase(for: .abandoned) else { return }
        calls.keepUntilExit(queue)
    }

    /// True after ``abandon()``.
    var isAbandoned: Bool { phase.withLock { $0 == .abandoned } }

    private func leaveOpenPhase(for next: Phase) -> Bool {
        phase.withLock { phase in
            guard phase == .open else { return false }
            phase = next
            return true
        }
    }

    /// Without this, closing deletes the write-ahead log, and its absence could not mean a loss
    /// (D10).
    private static func keepWriteAheadLogFile(of database: Database) throws {
        var keeps: CInt = 1
        let code = sqlite3_file_control(
            database.sqliteConnection, "main", SQLITE_FCNTL_PERSIST_WAL, &keeps)
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    /// The exclusive mode must come before the first access: then SQLite needs no shared memory
    /// file.
    private static func setUp(_ database: Database, options: StorageOptions) throws {
        try require("locking_mode", "EXCLUSIVE", gives: "exclusive", of: database)
        try require("journal_mode", "WAL", gives: "wal", of: database)
        try database.execute(sql: "PRAGMA synchronous = FULL")
        try require("synchronous", nil, gives: "2", of: database)
        try require("wal_autocheckpoint", "0", gives: "0", of: database)
        try require("mmap_size", "0", gives: "0", of: database)
        try database.execute(
            sql: """
                PRAGMA cache_size = -4096;
                PRAGMA temp_store = MEMORY;
                PRAGMA trusted_schema = OFF;
                """)
        #if canImport(Darwin)
        try database.execute(sql: "PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON")
        #endif
        if let pages = options.maximumDatabasePages {
            try database.execute(sql: "PRAGMA max_page_count = \(pages)")
        }
    }

    /// Sets a pragma, or only reads it, and requires what SQLite answers.
    private static func require(
        _ pragma: String, _ value: String?, gives expected: String, of database: Database
    ) throws {
        let sql = "PRAGMA \(pragma)" + (value.map { " = \($0)" } ?? "")
        // To the last row: a change of the journal mode is only committed, or fails, after the
        // first.
        let answer = try DatabaseValue.fetchAll(database, sql: sql).first
        let text = answer.flatMap(String.fromDatabaseValue) ?? answer.map { "\($0)" }
        guard text == expected else {
            throw DatabaseError(
                resultCode: .SQLITE_ERROR,
                message: "\(sql) gives \(text ?? "nothing") instead of \(expected)")
        }
    }
}
