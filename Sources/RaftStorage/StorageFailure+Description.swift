extension StorageFailure: CustomStringConvertible {
    /// What is wrong, where, and what to do: one line for the log and the operator.
    package var description: String {
        "\(what). \(advice)."
    }

    private var what: String {
        switch self {
        case .directoryMissing(let path): "The data directory \(path) does not exist"
        case .databaseMissing(let path): "There is no database at \(path)"
        case .bootstrapUnfinished(let path):
            "The database \(path) is empty: a bootstrap was interrupted before its first commit"
        case .databaseVanished(let path, let sequence):
            "The database \(path) is gone or empty, but it acknowledged \(sequence) transactions"
        case .notADirectory(let path): "\(path) is not a directory"
        case .directoryNotAccessible(let path, let reason): "\(path) cannot be used: \(reason)"
        case .readOnlyFileSystem(let path): "\(path) is on a read-only file system"
        case .writableByOthers(let path, let mode):
            "\(path) may be written by others (mode \(mode))"
        case .foreignOwner(let path, let owner, let user):
            "\(path) belongs to user \(owner), but this process runs as user \(user)"
        case .symbolicLink(let path): "\(path) is a symbolic link"
        case .notAFile(let path): "\(path) is not a regular file"
        case .directoryLocked(let path, let holder): "\(path) is locked by process \(holder)"
        case .databaseLocked(let path): "The database \(path) is open in another program"
        case .libraryTooOld(let found, let minimum):
            "The SQLite library is version \(found), at least \(minimum) is needed"
        case .foreignCluster(let path, let stored, let configured):
            "\(path) belongs to cluster \"\(stored)\", the configuration says \"\(configured)\""
        case .foreignServer(let path, let stored, let configured):
            "\(path) belongs to server \(stored), the configuration says server \(configured)"
        case .membersChanged(let path, let stored, let configured):
            "\(path) was written with the members [\(stored.joined(separator: ", "))], "
                + "the configuration says [\(configured.joined(separator: ", "))]"
        case .newerFormat(let path, let stored, let supported):
            "\(path) has format \(stored), this version reads up to \(supported)"
        case .foreignDatabase(let path, let reason):
            "\(path) is not a database of latchd: \(reason)"
        case .notADatabase(let path, let detail): "\(path) is not an SQLite database: \(detail)"
        case .corrupt(let path, let detail): "The database \(path) is damaged: \(detail)"
        case .damagedRow(let path, let table, let row, let reason):
            "\(path), table \(table), row \(row) is damaged: \(reason)"
        case .stateRowMissing(let path):
            "\(path), table state: the row with term and vote is missing"
        case .identityRowMissing(let path): "\(path), table identity: the row is missing"
        case .logGap(let path, let expected, let found):
            "\(path), table log: index \(expected) was expected, \(found) was found"
        case .inconsistent(let path, let reason): "\(path) contradicts itself: \(reason)"
        case .snapshotIncomplete(let path, let expected, let found):
            "\(path), table snapshot_chunk: \(found) of the snapshot's \(expected) chunks are there"
        case .writeAheadLogLost(let path):
            "\(path) is missing or empty although the database was not closed"
        case .acknowledgedStateLost(let path, let acknowledged, let found):
            "\(path) ends at transaction \(found), but transaction \(acknowledged) was acknowledged"
        case .watermarkDamaged(let path, let reason): "\(path) cannot be trusted: \(reason)"
        case .inputOutput(let path, let detail): "Reading or writing \(path) failed: \(detail)"
        case .diskFull(let path, let detail): "No space is left for \(path): \(detail)"
        case .unexpected(let path, let detail): "SQLite failed at \(path): \(detail)"
        case .invalidPersist(let id, let reason): "Persist \(id) was refused: \(reason)"
        }
    }

    private var advice: String {
        switch self {
        case .directoryMissing, .databaseMissing:
            "If this server is new, start it once with --bootstrap; if it had state, find its disk"
        case .bootstrapUnfinished: "Start it again with --bootstrap"
        case .databaseVanished, .writeAheadLogLost, .acknowledgedStateLost: Self.lostAdvice
        case .notADirectory, .notAFile, .symbolicLink:
            "Name the real location in the configuration, or remove what stands there"
        case .directoryNotAccessible: "Give the user of this process read and write access"
        case .readOnlyFileSystem: "Mount it writable; look in the kernel log for disk errors first"
        case .writableByOthers(let path, _):
            "Make sure that nothing was changed, then run: chmod go-w \(path)"
        case .foreignOwner: "Run as that user, or give the directory to this one with chown"
        case .directoryLocked: "Stop that process, or give each server a directory of its own"
        case .databaseLocked:
            "Close that program; copy the files while the server is stopped instead"
        case .libraryTooOld: "Install a newer SQLite library"
        case .foreignCluster, .foreignServer:
            "Correct the configuration, or the data directory it names"
        case .membersChanged:
            "Restore the member list; members are fixed when a cluster is bootstrapped"
        case .newerFormat: "Run the version that wrote it, or a later one"
        case .foreignDatabase: "Name another data directory"
        case .notADatabase, .corrupt, .damagedRow, .stateRowMissing, .identityRowMissing, .logGap,
            .inconsistent, .snapshotIncomplete, .watermarkDamaged:
            Self.damageAdvice
        case .inputOutput:
            "Look in the kernel log and replace the disk if it fails; then start again"
        case .diskFull: "Free some space, then start again: everything acknowledged is kept"
        case .unexpected: "Report it with this message; nothing acknowledged was lost"
        case .invalidPersist: "This is a defect of the program: report it with the log"
        }
    }

    private static let damageAdvice =
        "Keep the directory for examination and check the disk; "
        + "this server must not vote with it: rebuild it as Docs/Storage.md says"
    private static let lostAdvice =
        "This server may have forgotten a vote or entries and must not vote; put back the missing "
        + "files, or rebuild it as Docs/Storage.md says"
}
