package import RaftCore

/// Why storage refuses to open, or why it stopped. Nothing here is retried or repaired silently.
///
/// Each description says what is wrong, where, and what to do.
package enum StorageFailure: Error, Equatable, Sendable {
    // MARK: The directory and its files

    /// There is no data directory, and bootstrap was not asked for (D14).
    case directoryMissing(path: String)
    /// The directory holds no database, and bootstrap was not asked for (D14).
    case databaseMissing(path: String)
    /// A bootstrap was interrupted before its first commit, and bootstrap was not asked for again.
    case bootstrapUnfinished(path: String)
    /// The database is gone or empty although the files around it say that it held state (D14).
    case databaseVanished(path: String, sequence: UInt64)
    /// The path names something that is not a directory.
    case notADirectory(path: String)
    /// The directory cannot be created, read or written.
    case directoryNotAccessible(path: String, reason: String)
    /// The file system is mounted read-only (D18).
    case readOnlyFileSystem(path: String)
    /// Others than the owner may write here (S10). The mode is in octal.
    case writableByOthers(path: String, mode: String)
    /// The path belongs to another user (D18).
    case foreignOwner(path: String, owner: UInt32, user: UInt32)
    /// A symbolic link stands where a file of ours should be (D18).
    case symbolicLink(path: String)
    /// Something that is not a plain file stands where a file of ours should be.
    case notAFile(path: String)

    // MARK: Others at the same data

    /// Another process runs on this directory (D17). The holder is its process id, where it is
    /// known.
    case directoryLocked(path: String, holder: String)
    /// Another program has the database open (D5).
    case databaseLocked(path: String)

    // MARK: Not ours, or not for this version

    /// The SQLite library found at run time is too old (D23).
    case libraryTooOld(found: String, minimum: String)
    /// The directory belongs to another cluster (D15).
    case foreignCluster(path: String, stored: String, configured: String)
    /// The directory belongs to another server of this cluster (D15).
    case foreignServer(path: String, stored: ServerID, configured: ServerID)
    /// The member list differs from the one the state was written under (O6).
    case membersChanged(path: String, stored: [String], configured: [String])
    /// A newer version of this program wrote the database (D22).
    case newerFormat(path: String, stored: Int, supported: Int)
    /// The file is a database of some other program.
    case foreignDatabase(path: String, reason: String)

    // MARK: Damage

    /// The file is no SQLite database, or its header is damaged (D7).
    case notADatabase(path: String, detail: String)
    /// SQLite found the structure of the file damaged (D7).
    case corrupt(path: String, detail: String)
    /// A row does not match its checksum or cannot be decoded (D11).
    case damagedRow(path: String, table: String, row: String, reason: String)
    /// The row with term and vote is gone (D25).
    case stateRowMissing(path: String)
    /// The row with the identity is gone.
    case identityRowMissing(path: String)
    /// The log's rows do not follow each other, or do not end where the state row says.
    case logGap(path: String, expected: UInt64, found: UInt64)
    /// Log, snapshot and term contradict each other.
    case inconsistent(path: String, reason: String)
    /// Rows of a snapshot are missing (D24).
    case snapshotIncomplete(path: String, expectedChunks: UInt64, foundChunks: UInt64)
    /// The write-ahead log of a database that was not closed is missing or empty (D10).
    case writeAheadLogLost(path: String)
    /// Transactions that were acknowledged are no longer there (D8, D10, D16).
    case acknowledgedStateLost(path: String, acknowledged: UInt64, found: UInt64)
    /// The file that records the newest acknowledged transaction is missing, damaged or foreign.
    case watermarkDamaged(path: String, reason: String)

    // MARK: The machine

    /// Reading or writing failed (D1, D6).
    case inputOutput(path: String, detail: String)
    /// There is no space for the write (D3).
    case diskFull(path: String, detail: String)
    /// SQLite reported something that has no better name here.
    case unexpected(path: String, detail: String)
    /// The host asked for a step that would break Raft's rules; nothing of it was written.
    case invalidPersist(id: PersistID, reason: String)
}
