import Foundation
package import RaftCore
import Synchronization

/// Remembers: one SQLite file with term, vote, log and snapshot, and one thread that writes it.
///
/// `Docs/Storage.md` describes the tables, the transactions and what is refused. Nobody waits for
/// the
/// disk here but the writer thread: ``persist(_:)`` queues, and everything that is queued when the
/// thread comes back becomes one transaction with one fsync.
package final class RaftStorage: Sendable {
    private enum Phase {
        case opened
        case running
        case closed
    }

    private let writer: Writer
    private let queue: PersistQueue
    private let lock: DirectoryLock
    private let phase = Mutex(Phase.opened)
    private let writerThread = Mutex<ObjectIdentifier?>(nil)

    private init(writer: Writer, lock: DirectoryLock) {
        self.writer = writer
        self.queue = writer.queue
        self.lock = lock
    }

    /// Opens `directory`/latchd.sqlite, verifies everything in it and reads the persistent state.
    ///
    /// With `options.bootstrap`, creates the directory and the database where there is none; an
    /// existing database is opened as without it.
    ///
    /// - Throws: A ``StorageFailure`` that says what is wrong, where, and what to do. A
    ///   database refused for damage is not written to.
    package static func open(
        directory path: String, identity: StorageIdentity, options: StorageOptions
    ) throws(StorageFailure) -> (storage: RaftStorage, recovered: PersistentState) {
        let directory = try DataDirectory.prepare(
            path: path, bootstrap: options.bootstrap, calls: options.systemCalls)
        try requireDatabase(in: directory, options: options)
        let lock = try DirectoryLock(directory)
        let mark = try Watermark.open(in: directory)
        let writeAheadLogBytes = try directory.sizeOfPrivateFile(at: directory.writeAheadLog)
        try prepareDatabaseFile(in: directory, acknowledged: mark?.sequence)
        let recovery = Recovery(
            directory: directory, identity: identity, options: options, mark: mark,
            writeAheadLogBytes: writeAheadLogBytes)
        let connection = try Connection(path: directory.database, options: options)
        do {
            let result = try connection.use { try recovery.run($0) }
            let state = try connection.use { database in
                try Writer.markOpen(
                    database, state: result.state, watermark: result.watermark,
                    path: directory.database, options: options)
            }
            try directory.synchronize()
            let writer = Writer(
                connection: connection, queue: PersistQueue(), watermark: result.watermark,
                options: options, state: state)
            return (RaftStorage(writer: writer, lock: lock), result.persistentState)
        } catch {
            if error.isDamage { connection.abandon() } else { try? connection.close() }
            throw error
        }
    }

    /// D14: an absent database is only created when asked to, and never where one has been.
    private static func requireDatabase(
        in directory: DataDirectory, options: StorageOptions
    ) throws(StorageFailure) {
        let size = try directory.sizeOfPrivateFile(at: directory.database)
        guard size == nil, !options.bootstrap else { return }
        try Watermark.requireNothingAcknowledged(
            try Watermark.open(in: directory)?.sequence, in: directory)
        throw .databaseMissing(path: directory.database)
    }

    /// SQLite would take an empty file for a new database and delete the write-ahead log beside it.
    private static func prepareDatabaseFile(
        in directory: DataDirectory, acknowledged: UInt64?
    ) throws(StorageFailure) {
        let size = try directory.sizeOfPrivateFile(at: directory.database) ?? 0
        guard size == 0 else { return }
        try Watermark.requireNothingAcknowledged(acknowledged, in: directory)
        try directory.createPrivateFile(at: directory.database)
    }

    /// Starts the writer thread. Once; later calls do nothing.
    ///
    /// - Parameters:
    ///   - onPersisted: Called on the writer thread after each transaction with the newest id in
    ///   it:
    ///     that step and all before it are durable.
    ///   - onFailure: Called at most once, on the writer thread. After it nothing is written or
    ///     acknowledged any more; the process must stop (D1).
    package func start(
        onPersisted: @escaping @Sendable (PersistID) -> Void,
        onFailure: @escaping @Sendable (StorageFailure) -> Void
    ) {
        let starts = phase.withLock { phase in
            guard case .opened = phase else { return false }
            phase = .running
            return true
        }
        guard starts else { return }
        let thread = Thread { [self] in
            writerThread.withLock { $0 = Self.currentThread }
            do throws(StorageFailure) {
                try writer.run(onPersisted: onPersisted)
            } catch {
                writer.connection.abandon()
                onFailure(error)
            }
            writerThread.withLock { $0 = nil }
            queue.finish()
        }
        thread.name = "latchd.storage"
        thread.start()
    }

    /// Queues one step; never blocks on the disk. Ids ascend by one. After ``close()`` or a failure
    /// the step is dropped and never acknowledged.
    package func persist(_ persist: Persist) {
        queue.add(persist)
    }

    /// Steps that are queued or being written, for metrics.
    package var queuedCount: Int { queue.count }

    /// Writes what is queued, checkpoints, closes. Blocks until that is done; later calls do
    /// nothing more. Called from the writer thread itself it only begins the closing.
    package func close() {
        queue.close()
        let before = phase.withLock { phase in
            defer { phase = .closed }
            return phase
        }
        switch before {
        case .opened:
            // No thread: this one writes the little that is left to write.
            do {
                try writer.run(onPersisted: { _ in })
            } catch {
                writer.connection.abandon()
            }
            queue.finish()
        case .running, .closed:
            guard writerThread.withLock({ $0 }) != Self.currentThread else { return }
            queue.waitUntilFinished()
        }
        closeFiles()
    }

    private func closeFiles() {
        // After a failure the connection stays as it is, and the lock with it: the process must
        // stop.
        guard !writer.connection.isAbandoned else { return }
        // Everything is durable and checkpointed: a failure to close loses nothing.
        try? writer.connection.close()
        lock.release()
    }

    private static var currentThread: ObjectIdentifier { ObjectIdentifier(Thread.current) }
}
