import GRDB
import GRDBSQLite

/// Copies the write-ahead log into the database between batches, and keeps both bounded (D19).
///
/// SQLite starts the log again from its beginning at the first commit after a complete checkpoint.
/// With one connection every checkpoint is complete. The log file is never emptied while the
/// database is open: an empty one would look like a lost one (D10).
final class Checkpointer {
    private let database: Database
    private let options: StorageOptions
    private let pages: UnsafeMutablePointer<CInt>
    private var shrinksAtNextCommit = false

    init(_ database: Database, options: StorageOptions) {
        self.database = database
        self.options = options
        pages = .allocate(capacity: 1)
        pages.initialize(to: 0)
        _ = sqlite3_wal_hook(
            database.sqliteConnection,
            { context, _, _, pages in
                context?.assumingMemoryBound(to: CInt.self).pointee = pages
                return SQLITE_OK
            }, pages)
    }

    /// The connection outlives this object: it is told to forget it first.
    deinit {
        _ = sqlite3_wal_hook(database.sqliteConnection, nil, nil)
        pages.deallocate()
    }

    /// Call before each commit.
    func commitWillBegin() throws {
        guard shrinksAtNextCommit else { return }
        try database.execute(sql: "PRAGMA journal_size_limit = \(options.maximumWALBytes)")
    }

    /// Call after each commit. While others wait, the log may grow to four times its usual size
    /// first.
    func commitDidEnd(othersWait: Bool) throws {
        if shrinksAtNextCommit {
            // Unlimited again: at a close, SQLite would cut a limited log to nothing.
            try database.execute(sql: "PRAGMA journal_size_limit = -1")
            shrinksAtNextCommit = false
        }
        let limit = othersWait ? 4 * options.checkpointPages : options.checkpointPages
        guard Int(pages.pointee) >= limit else { return }
        let bytes = Int(pages.pointee) * 4_096
        try database.checkpoint(.passive)
        pages.pointee = 0
        shrinksAtNextCommit = bytes > options.maximumWALBytes
    }
}
