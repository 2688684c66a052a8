import GRDB

extension StorageFailure {
    /// Names what SQLite or GRDB threw while working on the database at `path`.
    init(_ error: any Error, path: String) {
        if let failure = error as? StorageFailure {
            self = failure
        } else if let error = error as? DatabaseError {
            self.init(error, path: path)
        } else {
            self = .unexpected(path: path, detail: "\(error)")
        }
    }

    private init(_ error: DatabaseError, path: String) {
        let detail =
            "\(error.message ?? "no message") (SQLite code \(error.extendedResultCode.rawValue))"
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: self = .databaseLocked(path: path)
        case .SQLITE_NOTADB: self = .notADatabase(path: path, detail: detail)
        case .SQLITE_CORRUPT, .SQLITE_MISMATCH, .SQLITE_FORMAT, .SQLITE_TOOBIG:
            self = .corrupt(path: path, detail: detail)
        case .SQLITE_FULL: self = .diskFull(path: path, detail: detail)
        case .SQLITE_IOERR: self = .inputOutput(path: path, detail: detail)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
            self = .directoryNotAccessible(path: path, reason: detail)
        default:  // default: open set, SQLite's result codes
            self = .unexpected(path: path, detail: detail)
        }
    }

    /// True if the files themselves are in doubt. Such a database is not written to again, not even
    /// by the checkpoint that SQLite runs when a connection closes.
    var isDamage: Bool {
        switch self {
        case .databaseVanished, .notADatabase, .corrupt, .damagedRow, .stateRowMissing,
            .identityRowMissing, .logGap, .inconsistent, .snapshotIncomplete, .writeAheadLogLost,
            .acknowledgedStateLost, .watermarkDamaged, .inputOutput, .diskFull, .unexpected,
            .invalidPersist:
            true
        case .directoryMissing, .databaseMissing, .bootstrapUnfinished, .notADirectory,
            .directoryNotAccessible, .readOnlyFileSystem, .writableByOthers, .foreignOwner,
            .symbolicLink, .notAFile, .directoryLocked, .databaseLocked, .libraryTooOld,
            .foreignCluster, .foreignServer, .membersChanged, .newerFormat, .foreignDatabase:
            false
        }
    }
}
