import GRDB
import RaftCore

/// Writes merged batches, each as one transaction with one fsync. Lives on the thread that owns the
/// connection; its statements stay prepared.
struct BatchWriter {
    private(set) var state: StateRow
    private let database: Database
    private let path: String
    private let options: StorageOptions
    private let watermark: Watermark
    private let insertRun: HotStatement
    private let replaceState: HotStatement
    private let deleteFrom: Statement
    private let deleteBefore: Statement

    init(
        _ database: Database, state: StateRow, watermark: Watermark, path: String,
        options: StorageOptions
    ) throws {
        self.database = database
        self.state = state
        self.watermark = watermark
        self.path = path
        self.options = options
        insertRun = try HotStatement(
            database,
            sql: "INSERT INTO log (first_index, last_index, crc, entries) VALUES (?, ?, ?, ?)")
        replaceState = try HotStatement(database, sql: StateRow.insertion)
        deleteFrom = try database.makeStatement(sql: "DELETE FROM log WHERE first_index >= ?")
        deleteBefore = try database.makeStatement(
            sql: "DELETE FROM log WHERE first_index < ? AND last_index < ?")
    }

    /// One transaction, then the watermark. When this returns, everything in the batch is durable
    /// and may be acknowledged.
    mutating func commit(_ batch: MergedBatch) throws {
        try database.inTransaction(.immediate) {
            try write(batch)
            return .commit
        }
        try watermark.record(batch.state.sequence)
        state = batch.state
    }

    /// A snapshot and what it does to the log stand or fall together (B13, B33).
    private func write(_ batch: MergedBatch) throws {
        if let snapshot = batch.snapshot {
            try SnapshotTable.replace(
                with: snapshot, chunkBytes: options.snapshotChunkBytes, in: database)
        }
        if batch.dropsLog {
            try database.execute(sql: "DELETE FROM log")
        } else if let index = batch.truncateFrom {
            try truncate(from: index)
        }
        try insert(batch.entries[...])
        if batch.purges {
            let first = Int64(bitPattern: batch.state.firstIndex.rawValue)
            try deleteBefore.execute(arguments: [first, first])
        }
        try replaceState.run(batch.state.columns)
    }

    /// Whole runs from the index on go; a run that it cuts is written again, shorter.
    private func truncate(from index: LogIndex) throws {
        let cut = try LogTable.run(holding: index, in: database, path: path)
        try deleteFrom.execute(arguments: [Int64(bitPattern: index.rawValue)])
        guard let cut, cut.firstIndex < index else { return }
        let kept = try LogTable.entries(of: cut, path: path).prefix { $0.index < index }
        try deleteFrom.execute(arguments: [Int64(bitPattern: cut.firstIndex.rawValue)])
        try insert(kept)
    }

    private func insert(_ entries: ArraySlice<Entry>) throws {
        for run in LogRun.runs(of: entries, maximumBytes: options.maximumRunBytes) {
            let columns = [
                Int64(bitPattern: run.firstIndex.rawValue),
                Int64(bitPattern: run.lastIndex.rawValue),
                Int64(run.checksum),
            ]
            try insertRun.run(columns, blob: run.bytes, blobPosition: 4)
        }
    }
}
