import GRDB

/// The tables, as they stand in the file. `Docs/Storage.md` explains them.
enum Schema {
    /// Stored in `PRAGMA user_version`. Raised when the tables or the bytes in them change.
    static let format = 1
    /// Stored in `PRAGMA application_id`: the ASCII letters "ltch".
    static let applicationID = 0x6c74_6368

    /// Name and definition, sorted by name. STRICT keeps a damaged file from passing text for a
    /// number.
    static let tables: [(name: String, definition: String)] = [
        (
            "identity",
            "CREATE TABLE identity (id INTEGER PRIMARY KEY, cluster_name TEXT NOT NULL, "
                + "server_id INTEGER NOT NULL, members TEXT NOT NULL, data_id BLOB NOT NULL, "
                + "crc INTEGER NOT NULL) STRICT"
        ),
        (
            "log",
            "CREATE TABLE log (first_index INTEGER PRIMARY KEY, last_index INTEGER NOT NULL, "
                + "entries BLOB NOT NULL, crc INTEGER NOT NULL) STRICT"
        ),
        (
            "snapshot",
            "CREATE TABLE snapshot (id INTEGER PRIMARY KEY, last_included_index INTEGER NOT NULL, "
                + "last_included_term INTEGER NOT NULL, bytes INTEGER NOT NULL, "
                + "chunks INTEGER NOT NULL, checksum INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT"
        ),
        (
            "snapshot_chunk",
            "CREATE TABLE snapshot_chunk (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, "
                + "crc INTEGER NOT NULL) STRICT"
        ),
        (
            "state",
            "CREATE TABLE state (id INTEGER PRIMARY KEY, current_term INTEGER NOT NULL, "
                + "voted_for INTEGER NOT NULL, sequence INTEGER NOT NULL, "
                + "first_index INTEGER NOT NULL, last_index INTEGER NOT NULL, "
                + "snapshot_index INTEGER NOT NULL, snapshot_term INTEGER NOT NULL, "
                + "is_open INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT"
        ),
    ]

    /// Creates the tables; the caller's transaction makes it all or nothing.
    static func create(in database: Database) throws {
        for table in tables { try database.execute(sql: table.definition) }
        try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        try database.execute(sql: "PRAGMA user_version = \(format)")
    }

    /// True if the file has no table at all: it is new, or its bootstrap never committed.
    static func isAbsent(in database: Database) throws -> Bool {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") == 0
    }

    /// Requires the tables of this version, to the letter.
    static func verify(in database: Database, path: String) throws {
        let application = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        guard application == applicationID else {
            throw StorageFailure.foreignDatabase(
                path: path, reason: "its application id is \(application), not \(applicationID)")
        }
        let stored = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard stored <= format else {
            throw StorageFailure.newerFormat(path: path, stored: stored, supported: format)
        }
        guard stored == format else {
            throw StorageFailure.foreignDatabase(
                path: path, reason: "its format \(stored) is unknown")
        }
        let rows = try Row.fetchAll(
            database, sql: "SELECT name, sql FROM sqlite_master ORDER BY name")
        let found = try rows.map { row in
            (
                try row.text("name", path, "sqlite_master"),
                try row.text("sql", path, "sqlite_master")
            )
        }
        guard found.elementsEqual(tables, by: { $0.0 == $1.name && $0.1 == $1.definition }) else {
            throw StorageFailure.damagedRow(
                path: path, table: "sqlite_master", row: "all",
                reason: "the tables are not those of format \(format)")
        }
    }
}
