import RaftStorage

extension ExitStatus {
    /// The status for a refusal or failure of the storage.
    init(_ failure: StorageFailure) {
        self =
            switch failure {
            case .directoryMissing, .databaseMissing, .bootstrapUnfinished:
                .noData
            case .notADirectory, .directoryNotAccessible, .readOnlyFileSystem, .writableByOthers,
                .foreignOwner, .symbolicLink, .notAFile:
                .cannotCreateData
            case .directoryLocked, .databaseLocked:
                .dataInUse
            case .libraryTooOld:
                .systemError
            case .databaseVanished, .foreignCluster, .foreignServer, .membersChanged, .newerFormat,
                .foreignDatabase, .notADatabase, .corrupt, .damagedRow, .stateRowMissing,
                .identityRowMissing, .logGap, .inconsistent, .snapshotIncomplete,
                .writeAheadLogLost,
                .acknowledgedStateLost, .watermarkDamaged:
                .damagedData
            case .inputOutput, .diskFull, .unexpected:
                .diskFailure
            case .invalidPersist:
                .invariantViolated
            }
    }
}
