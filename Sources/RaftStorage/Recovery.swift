import GRDB
import RaftCore

/// Reads a database when it is opened, and believes nothing that is not verified.
struct Recovery {
    let directory: DataDirectory
    let identity: StorageIdentity
    let options: StorageOptions
    /// The mark found beside the database; nil if there is none.
    let mark: (watermark: Watermark, sequence: UInt64)?
    /// Size of the write-ahead log before the database was opened, in bytes; nil if there was none.
    let writeAheadLogBytes: Int?

    struct Result {
        let state: StateRow
        let persistentState: PersistentState
        let watermark: Watermark
    }

    private var path: String { directory.database }

    func run(_ database: Database) throws -> Result {
        guard try !Schema.isAbsent(in: database) else { return try createDatabase(database) }
        try Schema.verify(in: database, path: path)
        let stored = try IdentityRow.read(from: database, path: path)
        try stored.verify(against: identity, path: path)
        let state = try StateRow.read(from: database, path: path)
        let watermark = try verifyNothingLost(state, dataID: stored.dataID)
        try checkStructure(database)
        let snapshot = try SnapshotTable.read(from: database, state: state, path: path)
        let entries = try LogTable.read(from: database, state: state, path: path)
        let persistent = PersistentState(
            currentTerm: state.currentTerm, votedFor: state.votedFor, snapshot: snapshot,
            entries: entries)
        return Result(state: state, persistentState: persistent, watermark: watermark)
    }

    /// D14: only where nothing was ever acknowledged, and only when asked to.
    private func createDatabase(_ database: Database) throws -> Result {
        // The mark rises only after the transaction that made the tables was durable.
        try Watermark.requireNothingAcknowledged(mark?.sequence, in: directory)
        guard options.bootstrap else { throw StorageFailure.bootstrapUnfinished(path: path) }
        let row = IdentityRow(identity: identity, dataID: IdentityRow.randomDataID())
        let watermark = try Watermark.create(in: directory, dataID: row.dataID)
        var state = StateRow()
        state.sequence = 1
        try database.inTransaction(.immediate) {
            try Schema.create(in: database)
            try row.insert(into: database)
            try database.execute(
                sql: StateRow.insertion, arguments: StatementArguments(state.columns))
            return .commit
        }
        try watermark.record(state.sequence)
        return Result(state: state, persistentState: PersistentState(), watermark: watermark)
    }

    /// D10: what is missing from the end of the file cannot be seen in the file itself.
    private func verifyNothingLost(_ state: StateRow, dataID: [UInt8]) throws -> Watermark {
        guard !state.isOpen || (writeAheadLogBytes ?? 0) > 0 else {
            throw StorageFailure.writeAheadLogLost(path: directory.writeAheadLog)
        }
        guard let mark else {
            throw StorageFailure.watermarkDamaged(
                path: directory.watermark, reason: "the file is missing")
        }
        guard mark.watermark.dataID == dataID else {
            throw StorageFailure.watermarkDamaged(
                path: directory.watermark, reason: "it belongs to another database")
        }
        guard state.sequence >= mark.sequence else {
            throw StorageFailure.acknowledgedStateLost(
                path: path, acknowledged: mark.sequence, found: state.sequence)
        }
        return mark.watermark
    }

    /// Damage to pages that hold no row of ours would otherwise only show up in a later write.
    private func checkStructure(_ database: Database) throws {
        let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
        guard pages <= options.structureCheckMaximumBytes / 4_096 else { return }
        let findings = try String.fetchAll(database, sql: "PRAGMA quick_check(1)")
        guard findings == ["ok"] else {
            throw StorageFailure.corrupt(path: path, detail: findings.joined(separator: "; "))
        }
    }
}
