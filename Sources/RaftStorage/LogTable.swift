import BinaryCoding
import GRDB
import RaftCore

/// Reads the rows of the log, each verified.
enum LogTable {
    private static let name = "log"

    /// Every entry from `state.firstIndex` to `state.lastIndex`, without a gap and with terms that
    /// never fall (§5.3).
    static func read(from database: Database, state: StateRow, path: String) throws -> [Entry] {
        var entries: [Entry] = []
        let total = state.lastIndex.rawValue &- state.firstIndex.rawValue &+ 1
        entries.reserveCapacity(Int(min(total, 1 << 20)))
        var previous: LogRun?
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM log ORDER BY first_index")
        while let row = try rows.next() {
            let run = try decode(row, path: path)
            let expected = previous.map { $0.lastIndex.next() } ?? state.firstIndex
            let connects = previous == nil ? run.firstIndex <= expected : run.firstIndex == expected
            guard connects, run.lastIndex <= state.lastIndex else {
                throw StorageFailure.logGap(
                    path: path, expected: expected.rawValue, found: run.firstIndex.rawValue)
            }
            entries.append(contentsOf: try self.entries(of: run, path: path))
            previous = run
        }
        entries.removeFirst(entries.count(where: { $0.index < state.firstIndex }))
        let last = entries.last?.index ?? state.firstIndex.previous()
        guard last == state.lastIndex else {
            throw StorageFailure.logGap(
                path: path, expected: state.lastIndex.rawValue, found: last.rawValue)
        }
        try verifyTerms(of: entries, state: state, path: path)
        return entries
    }

    /// The run that holds `index`, if any does.
    static func run(holding index: LogIndex, in database: Database, path: String) throws -> LogRun?
    {
        let row = try Row.fetchOne(
            database,
            sql: "SELECT * FROM log WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1",
            arguments: [Int64(bitPattern: index.rawValue)])
        guard let row else { return nil }
        let run = try decode(row, path: path)
        return run.lastIndex >= index ? run : nil
    }

    /// The entries of a run that was read from the table.
    static func entries(of run: LogRun, path: String) throws(StorageFailure) -> [Entry] {
        do {
            return try run.entries()
        } catch {
            throw damaged(run.firstIndex.rawValue, error.description, path)
        }
    }

    private static func decode(_ row: Row, path: String) throws(StorageFailure) -> LogRun {
        let first = try row.natural("first_index", path, name)
        let run = LogRun(
            firstIndex: LogIndex(first),
            lastIndex: LogIndex(try row.natural("last_index", path, name)),
            bytes: try row.bytes("entries", path, name))
        guard try row.checksum(path, name) == run.checksum else {
            throw damaged(first, "the checksum does not match", path)
        }
        guard run.firstIndex <= run.lastIndex else {
            throw damaged(first, "it ends at \(run.lastIndex)", path)
        }
        return run
    }

    private static func damaged(_ row: UInt64, _ reason: String, _ path: String) -> StorageFailure {
        .damagedRow(path: path, table: name, row: "\(row)", reason: reason)
    }

    private static func verifyTerms(
        of entries: [Entry], state: StateRow, path: String
    ) throws(StorageFailure) {
        var term = Term.zero
        for entry in entries {
            guard entry.term >= term, entry.term <= state.currentTerm else {
                throw .inconsistent(
                    path: path,
                    reason: "entry \(entry.index) has term \(entry.term) after term \(term), "
                        + "and the current term is \(state.currentTerm)")
            }
            if entry.index == state.snapshotIndex, entry.term != state.snapshotTerm {
                throw .inconsistent(
                    path: path,
                    reason: "entry \(entry.index) has term \(entry.term), but the snapshot there "
                        + "has term \(state.snapshotTerm)")
            }
            term = entry.term
        }
    }
}
