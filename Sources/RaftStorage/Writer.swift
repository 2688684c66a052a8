import GRDB
import RaftCore

/// The writer thread's work: take what is queued, make it durable as one transaction, say so.
struct Writer: Sendable {
    let connection: Connection
    let queue: PersistQueue
    let watermark: Watermark
    let options: StorageOptions
    /// The state row as it stands in the file when the writer begins.
    let state: StateRow

    /// Runs until the queue is closed and empty, then marks the database as closed cleanly.
    ///
    /// Nothing is retried (D1): after a failed fsync, the kernel may have dropped the very pages
    /// that a second fsync would then report as durable.
    func run(onPersisted: (PersistID) -> Void) throws(StorageFailure) {
        try connection.use { database in
            var writer = try BatchWriter(
                database, state: state, watermark: watermark, path: connection.path,
                options: options)
            let checkpointer = Checkpointer(database, options: options)
            while let persists = queue.takeAll() {
                var batch = MergedBatch(after: writer.state)
                for persist in persists { try batch.add(persist) }
                try checkpointer.commitWillBegin()
                try writer.commit(batch)
                onPersisted(batch.newestID)
                try checkpointer.commitDidEnd(othersWait: queue.hasWaiting)
            }
            try markClosed(&writer, database)
        }
    }

    /// From here on an empty write-ahead log is as it should be.
    private func markClosed(_ writer: inout BatchWriter, _ database: Database) throws {
        var batch = MergedBatch(after: writer.state)
        batch.mark(isOpen: false)
        try writer.commit(batch)
        try database.checkpoint(.truncate)
        try watermark.synchronize()
    }

    /// Marks the database as in use, in the database file itself and not only in the write-ahead
    /// log, whose loss the mark is to reveal (D10). The log keeps the frames: it is not empty.
    ///
    /// - Returns: The state row after that.
    static func markOpen(
        _ database: Database, state: StateRow, watermark: Watermark, path: String,
        options: StorageOptions
    ) throws -> StateRow {
        var writer = try BatchWriter(
            database, state: state, watermark: watermark, path: path, options: options)
        var batch = MergedBatch(after: state)
        batch.mark(isOpen: true)
        try writer.commit(batch)
        try database.checkpoint(.passive)
        try watermark.synchronize()
        return writer.state
    }
}
