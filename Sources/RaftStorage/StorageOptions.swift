/// How storage runs. Sizes are in bytes or in SQLite pages of 4,096 bytes.
package struct StorageOptions: Sendable {
    /// Create the data directory's content if there is none. Without it an absent or empty
    /// directory is refused: a member that lost its disk must not vote as if it were new (D14).
    package var bootstrap = false
    /// Pages in the write-ahead log from which a checkpoint runs as soon as no commit is waiting.
    /// At four times as many, it runs even if commits wait. So a checkpoint copies a bounded number
    /// of pages, unless one transaction alone (a snapshot) is larger.
    package var checkpointPages = 1_000
    /// The size to which the write-ahead log file is cut after a larger transaction, in bytes.
    package var maximumWALBytes = 16 << 20
    /// Bytes of entries in one row of the log, at most; a longer entry has a row of its own.
    package var maximumRunBytes = 1 << 20
    /// Bytes of a snapshot in one row.
    package var snapshotChunkBytes = 1 << 20
    /// A database larger than this is not checked for structure by `PRAGMA quick_check` when
    /// opened, in bytes. Every row that is read is verified by its checksum all the same.
    package var structureCheckMaximumBytes = 256 << 20
    /// Refuse to grow the database beyond this many pages; nil leaves it to the disk.
    package var maximumDatabasePages: Int?
    /// What the files beside the database go through; tests replace it.
    package var systemCalls: any SystemCalls = PosixCalls()

    package init(bootstrap: Bool = false) {
        self.bootstrap = bootstrap
    }
}
