import Foundation
import GRDB
import GRDBSQLite
import RaftCore
import Testing

@testable import RaftStorage

/// Prints figures; asserts nothing. Runs only with `LATCH_BENCH=1`.
@Suite(
    "Time per transaction", .serialized,
    .enabled(if: ProcessInfo.processInfo.environment["LATCH_BENCH"] == "1"))
struct BenchmarkTests {
    private static let rounds = 3_000

    /// Median and 99th percentile of `rounds` runs, in microseconds.
    private func measure(_ name: String, rounds: Int = rounds, _ body: (Int) throws -> Void)
        rethrows
    {
        var times: [Double] = []
        for round in 0..<rounds {
            let start = ContinuousClock.now
            try body(round)
            times.append((ContinuousClock.now - start) / .microseconds(1))
        }
        times.sort()
        let median = times[rounds / 2], tail = times[rounds * 99 / 100]
        let mean = times.reduce(0, +) / Double(rounds)
        print(
            name.padding(toLength: 52, withPad: " ", startingAt: 0),
            String(
                format: "median %8.1f µs   mean %8.1f µs   p99 %8.1f µs   worst %8.1f µs", median,
                mean, tail, times[rounds - 1]))
    }

    @Test("raw write and fdatasync", arguments: [1, 64])
    func raw(count: Int) throws {
        let directory = try TemporaryDirectory()
        let file = open(directory.path + "/raw", O_RDWR | O_CREAT | O_APPEND, 0o600)
        defer { close(file) }
        let bytes = [UInt8](repeating: 7, count: count * 72)
        measure("raw append + fdatasync, \(count) entries") { _ in
            _ = Foundation.write(file, bytes, bytes.count)
            _ = fdatasync(file)
        }
        let pages = [UInt8](repeating: 7, count: 2 * 4_120)
        measure("raw overwrite of two pages + fdatasync") { round in
            _ = pwrite(file, pages, pages.count, off_t((round % 500) * pages.count))
            _ = fdatasync(file)
        }
    }

    @Test("storage, from persist to acknowledgement", arguments: [1, 64])
    func storage(count: Int) throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let done = DispatchSemaphore(value: 0)
        storage.start(onPersisted: { _ in done.signal() }, onFailure: { print($0) })
        storage.persist(persist(1) { $0.vote = vote(1) })
        done.wait()
        measure("RaftStorage, both thread hops, \(count) entries") { round in
            let first = UInt64(round * count) + 1
            storage.persist(
                persist(UInt64(round) + 2) {
                    $0.append = entries(first...(first + UInt64(count) - 1), bytes: 60)
                })
            done.wait()
        }
        storage.close()
    }

    @Test(
        "the batch writer alone, with and without the fsync", arguments: [1, 64], ["FULL", "OFF"])
    func writer(count: Int, synchronous: String) throws {
        let directory = try TemporaryDirectory()
        try write([persist(1) { $0.vote = vote(1) }], to: directory)
        let connection = try Connection(path: directory.database, options: StorageOptions())
        let place = try DataDirectory.prepare(
            path: directory.data, bootstrap: false, calls: PosixCalls())
        let watermark = try #require(try Watermark.open(in: place)).watermark
        try connection.use { database in
            try database.execute(sql: "PRAGMA synchronous = \(synchronous)")
            let state = try StateRow.read(from: database, path: "")
            var writer = try BatchWriter(
                database, state: state, watermark: watermark, path: "", options: StorageOptions())
            let checkpointer = Checkpointer(database, options: StorageOptions())
            let steps = (0..<Self.rounds).map { round in
                let first = UInt64(round * count) + 1
                return persist(1) {
                    $0.append = entries(first...(first + UInt64(count) - 1), bytes: 60)
                }
            }
            try measure("BatchWriter, synchronous=\(synchronous), \(count) entries") { round in
                var batch = MergedBatch(after: writer.state)
                try batch.add(steps[round])
                try writer.commit(batch)
                try checkpointer.commitDidEnd(othersWait: false)
            }
        }
        try connection.close()
    }

    @Test("bare SQLite, the same statements without GRDB", arguments: [1, 64], ["FULL", "OFF"])
    func bare(count: Int, synchronous: String) throws {
        let directory = try TemporaryDirectory()
        var database: OpaquePointer?
        sqlite3_open(directory.path + "/bare", &database)
        sqlite3_exec(
            database,
            """
            PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
            PRAGMA synchronous = \(synchronous); PRAGMA wal_autocheckpoint = 1000;
            """, nil, nil, nil)
        for table in Schema.tables { sqlite3_exec(database, table.definition, nil, nil, nil) }
        func prepare(_ sql: String) -> OpaquePointer? {
            var statement: OpaquePointer?
            sqlite3_prepare_v3(
                database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
            return statement
        }
        let begin = prepare("BEGIN IMMEDIATE"), commit = prepare("COMMIT")
        let insert = prepare(
            "INSERT INTO log (first_index, last_index, entries, crc) VALUES (?, ?, ?, ?)")
        let state = prepare(StateRow.insertion)
        let bytes = [UInt8](repeating: 7, count: count * 72)
        func run(_ statement: OpaquePointer?) {
            sqlite3_step(statement)
            sqlite3_reset(statement)
        }
        measure("bare SQLite, synchronous=\(synchronous), \(count) entries") { round in
            run(begin)
            sqlite3_bind_int64(insert, 1, Int64(round * count))
            sqlite3_bind_int64(insert, 2, Int64(round * count + count))
            sqlite3_bind_blob(insert, 3, bytes, Int32(bytes.count), nil)
            sqlite3_bind_int64(insert, 4, Int64(round))
            run(insert)
            for column in 1...9 as ClosedRange<Int32> {
                sqlite3_bind_int64(state, column, Int64(round))
            }
            run(state)
            run(commit)
        }
        for statement in [begin, commit, insert, state] { sqlite3_finalize(statement) }
        sqlite3_close(database)
    }

    @Test(
        "the same transaction through GRDB and through HotStatement, in turns", arguments: [1, 64])
    func statements(count: Int) throws {
        let directory = try TemporaryDirectory()
        try write([persist(1) { $0.vote = vote(1) }], to: directory)
        let connection = try Connection(path: directory.database, options: StorageOptions())
        let bytes = [UInt8](repeating: 7, count: count * 72)
        let insertion =
            "INSERT INTO log (first_index, last_index, crc, entries) VALUES (?, ?, ?, ?)"
        try connection.use { database in
            try database.execute(sql: "PRAGMA synchronous = OFF")
            let plain = try (
                database.makeStatement(sql: insertion),
                database.makeStatement(sql: StateRow.insertion)
            )
            let hot = try (
                HotStatement(database, sql: insertion),
                HotStatement(database, sql: StateRow.insertion)
            )
            var state = StateRow()
            var next: Int64 = 0
            for turn in 1...3 {
                try measure("GRDB execute, \(count) entries, turn \(turn)") { _ in
                    next += 1
                    state.sequence += 1
                    try database.inTransaction(.immediate) {
                        try plain.0.execute(arguments: [next, next, next, Data(bytes)])
                        try plain.1.execute(arguments: StatementArguments(state.columns))
                        return .commit
                    }
                }
                try measure("HotStatement, \(count) entries, turn \(turn)") { _ in
                    next += 1
                    state.sequence += 1
                    try database.inTransaction(.immediate) {
                        try hot.0.run([next, next, next], blob: bytes, blobPosition: 4)
                        try hot.1.run(state.columns)
                        return .commit
                    }
                }
                try database.checkpoint(.passive)
            }
        }
        try connection.close()
    }

    @Test("a snapshot of 20 MB, and opening a database with it and 100,000 entries")
    func largeSnapshot() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        let done = DispatchSemaphore(value: 0)
        storage.start(onPersisted: { _ in done.signal() }, onFailure: { print($0) })
        storage.persist(
            persist(1) {
                $0.vote = vote(1); $0.append = entries(1...100_000, bytes: 60)
            })
        done.wait()
        let large = (1...5 as ClosedRange<UInt64>).map { snapshot($0, bytes: 20 << 20) }
        measure("snapshot of 20 MB in one transaction", rounds: 5) { round in
            storage.persist(persist(UInt64(round) + 2) { $0.snapshot = large[round] })
            done.wait()
        }
        storage.close()
        print("database: \(fileSize(directory.database) >> 20) MB")
        try measure("opening, verifying and closing it", rounds: 5) { _ in _ = try read(directory) }
    }
}
