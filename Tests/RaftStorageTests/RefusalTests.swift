import Foundation
import GRDB
import RaftCore
import Testing

@testable import RaftStorage

@Suite("What is not sound is refused, with a reason")
struct RefusalTests {
    private func prepared(_ steps: [Persist] = RefusalTests.steps) throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try write(steps, to: directory, options: bootstrapping { $0.snapshotChunkBytes = 100 })
        return directory
    }

    private static let steps = [
        persist(1) {
            $0.vote = vote(2, for: 1)
            $0.append = entries(1...10)
            $0.snapshot = snapshot(6, bytes: 450)
            $0.purgeThrough = LogIndex(3)
        }
    ]

    /// Opens the closed database with a connection of the test's own.
    private func edit(_ directory: TemporaryDirectory, _ sql: String) throws {
        let queue = try DatabaseQueue(path: directory.database)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
    }

    @Test("a missing directory, or one without a database, needs an explicit bootstrap (D14)")
    func missing() throws {
        let directory = try TemporaryDirectory()
        #expect(refusal(directory) == .directoryMissing(path: directory.data))
        #expect(!FileManager.default.fileExists(atPath: directory.data))
        mkdir(directory.data, 0o700)
        #expect(refusal(directory) == .databaseMissing(path: directory.database))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.data).isEmpty)
    }

    @Test("an interrupted bootstrap is refused without, and repeated with, the flag")
    func interruptedBootstrap() throws {
        let directory = try TemporaryDirectory()
        mkdir(directory.data, 0o700)
        try #require(FileManager.default.createFile(atPath: directory.database, contents: nil))
        #expect(refusal(directory) == .bootstrapUnfinished(path: directory.database))
        #expect(try read(directory, options: bootstrapping()) == PersistentState())
        #expect(try read(directory) == PersistentState())
    }

    @Test(
        "a database that is deleted or emptied is never created again, not even by bootstrap (D14)")
    func vanished() throws {
        let directory = try prepared()
        let copy = try directory.copyOfData()
        try FileManager.default.removeItem(atPath: directory.database)
        truncate(copy.database, 0)
        for options in [StorageOptions(), bootstrapping()] {
            for place in [directory, copy] {
                guard case .databaseVanished = refusal(place, options: options) else {
                    Issue.record("\(place.data) with \(options) was not refused as vanished")
                    continue
                }
            }
        }
    }

    @Test("nor is one that was replaced by a database without tables (D14)")
    func replacedByEmpty() throws {
        let directory = try prepared()
        try FileManager.default.removeItem(atPath: directory.database)
        try FileManager.default.removeItem(atPath: directory.database + "-wal")
        try edit(directory, "PRAGMA journal_mode = WAL; CREATE TABLE a (b); DROP TABLE a")
        chmod(directory.database, 0o600)
        for options in [StorageOptions(), bootstrapping()] {
            guard case .databaseVanished = refusal(try directory.copyOfData(), options: options)
            else {
                Issue.record("with \(options) it was not refused as vanished")
                continue
            }
        }
    }

    @Test(
        "a directory that others may write is refused (D18, S10)",
        arguments: [0o777, 0o770, 0o1777] as [mode_t])
    func writableByOthers(mode: mode_t) throws {
        let directory = try prepared()
        chmod(directory.data, mode)
        #expect(
            refusal(directory)
                == .writableByOthers(path: directory.data, mode: String(mode, radix: 8)))
        chmod(directory.data, 0o700)
        chmod(directory.database, 0o666)
        #expect(refusal(directory) == .writableByOthers(path: directory.database, mode: "666"))
    }

    @Test("a database file that others may read is made private")
    func readableByOthers() throws {
        let directory = try prepared()
        chmod(directory.database, 0o644)
        _ = try read(directory)
        let attributes = try FileManager.default.attributesOfItem(atPath: directory.database)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("a file where the directory should be, and symbolic links, are refused (D18)")
    func wrongKinds() throws {
        let directory = try prepared()
        let other = try TemporaryDirectory()
        try #require(FileManager.default.createFile(atPath: other.data, contents: nil))
        #expect(refusal(other, options: bootstrapping()) == .notADirectory(path: other.data))
        for file in ["/latchd.sqlite", "/latchd.sqlite-wal", "/latchd.watermark", "/latchd.lock"] {
            let place = try directory.copyOfData()
            let path = place.data + file
            rename(path, place.path + "/elsewhere")
            symlink(place.path + "/elsewhere", path)
            #expect(refusal(place) == .symbolicLink(path: path), "\(file)")
            #expect(
                refusal(place, options: bootstrapping()) == .symbolicLink(path: path), "\(file)")
        }
        let place = try directory.copyOfData()
        unlink(place.database)
        mkdir(place.database, 0o700)
        #expect(refusal(place) == .notAFile(path: place.database))
    }

    @Test("another cluster's or server's directory is refused with both names (D15)")
    func foreign() throws {
        let directory = try prepared()
        let cluster = StorageIdentity(
            clusterName: "other", serverID: identity.serverID, members: identity.members)
        let server = StorageIdentity(
            clusterName: "test", serverID: ServerID(3), members: identity.members)
        #expect(
            refusal(directory, as: cluster)
                == .foreignCluster(path: directory.database, stored: "test", configured: "other"))
        let failure = try #require(refusal(directory, as: server))
        #expect(
            failure
                == .foreignServer(
                    path: directory.database, stored: ServerID(1), configured: ServerID(3)))
        #expect(failure.description.contains("server 1"))
        #expect(failure.description.contains("server 3"))
        #expect(try read(directory).currentTerm == Term(2), "a refusal changes nothing")
    }

    @Test("a changed member list is refused (O6)")
    func membersChanged() throws {
        let directory = try prepared()
        let members = ["1=a:7400", "2=b:7400", "3=d:7400"]
        let changed = StorageIdentity(
            clusterName: "test", serverID: ServerID(1), members: members)
        #expect(
            refusal(directory, as: changed)
                == .membersChanged(
                    path: directory.database, stored: identity.members, configured: members))
    }

    @Test("a newer format and a foreign database are refused (D22)")
    func format() throws {
        let directory = try prepared()
        let foreign = try directory.copyOfData()
        try edit(directory, "PRAGMA user_version = 2")
        #expect(
            refusal(directory) == .newerFormat(path: directory.database, stored: 2, supported: 1))
        try edit(foreign, "PRAGMA application_id = 7")
        guard case .foreignDatabase = refusal(foreign) else {
            Issue.record("a foreign application id was not refused")
            return
        }
    }

    @Test("a second opening is refused while the first lasts, and names the process (D17)")
    func locked() throws {
        let directory = try TemporaryDirectory()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: bootstrapping())
        #expect(
            refusal(directory) == .directoryLocked(path: directory.data, holder: "\(getpid())"))
        storage.close()
        _ = try read(directory)
    }

    @Test("a tool that has the database open is noticed, and the other way round (D5)")
    func lockedByTool() throws {
        let directory = try prepared()
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let queue = try DatabaseQueue(path: directory.database, configuration: configuration)
        try queue.writeWithoutTransaction { try $0.execute(sql: "BEGIN; SELECT * FROM state") }
        #expect(refusal(directory) == .databaseLocked(path: directory.database))
        try queue.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        try queue.close()
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: StorageOptions())
        #expect(throws: DatabaseError.self) {
            try DatabaseQueue(path: directory.database).read {
                try Int.fetchOne($0, sql: "SELECT current_term FROM state")
            }
        }
        storage.close()
    }

    @Test("an old SQLite library is refused (D23)")
    func library() throws {
        #expect(throws: StorageFailure.libraryTooOld(found: "3.36.5", minimum: "3.37.0")) {
            try Connection.checkLibrary(version: 3_036_005)
        }
        try Connection.checkLibrary(version: 3_037_000)
    }

    @Test("something that is no database is refused and left alone (D7)")
    func notADatabase() throws {
        let directory = try prepared()
        let bytes = Data(repeating: 0x41, count: 8_192)
        try bytes.write(to: URL(fileURLWithPath: directory.database))
        guard case .notADatabase = refusal(directory, options: bootstrapping()) else {
            Issue.record("not refused as no database")
            return
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.database)) == bytes)
    }

    /// Each edit and what it must be refused as.
    static let edits: [(String, @Sendable (StorageFailure) -> Bool)] = [
        ("DELETE FROM state", { if case .stateRowMissing = $0 { true } else { false } }),
        ("DELETE FROM identity", { if case .identityRowMissing = $0 { true } else { false } }),
        ("UPDATE state SET current_term = 1", isDamagedRow("state")),
        ("UPDATE state SET voted_for = 2", isDamagedRow("state")),
        ("UPDATE state SET voted_for = 99999999", isDamagedRow("state")),
        ("UPDATE state SET last_index = -1", isDamagedRow("state")),
        // Nobody looked at the id: the next write added a second row, and the next start failed.
        ("UPDATE state SET id = 3", isDamagedRow("state")),
        ("UPDATE snapshot SET id = 3", isDamagedRow("snapshot")),
        ("UPDATE identity SET members = 'x'", isDamagedRow("identity")),
        ("UPDATE log SET entries = x'00'", isDamagedRow("log")),
        ("UPDATE log SET last_index = 9", isDamagedRow("log")),
        ("UPDATE log SET first_index = 2", isDamagedRow("log")),
        ("UPDATE log SET crc = -5", isDamagedRow("log")),
        ("UPDATE snapshot SET last_included_index = 5", isDamagedRow("snapshot")),
        (
            "UPDATE snapshot_chunk SET bytes = x'00' WHERE number = 2",
            isDamagedRow("snapshot_chunk")
        ),
        ("DELETE FROM log", { if case .logGap = $0 { true } else { false } }),
        ("DELETE FROM snapshot", { if case .inconsistent = $0 { true } else { false } }),
        (
            "DELETE FROM snapshot_chunk WHERE number = 1",
            { if case .snapshotIncomplete(_, 5, 4) = $0 { true } else { false } }
        ),
        (
            "UPDATE snapshot_chunk SET number = 9 WHERE number = 4",
            { if case .snapshotIncomplete(_, 5, 4) = $0 { true } else { false } }
        ),
        ("DROP TABLE log", isDamagedRow("sqlite_master")),
        ("CREATE TABLE more (x)", isDamagedRow("sqlite_master")),
    ]

    @Test("each damaged, missing or moved row is refused by name (D11, D24, D25)", arguments: edits)
    func rows(sql: String, isExpected: @Sendable (StorageFailure) -> Bool) throws {
        let directory = try prepared()
        try edit(directory, sql)
        let failure = try #require(refusal(directory))
        #expect(isExpected(failure), "\(sql): \(failure)")
    }

    @Test("a missing run in the middle of the log is a gap")
    func gap() throws {
        let directory = try prepared([
            persist(1) {
                $0.vote = vote(1); $0.append = entries(1...4)
            }
        ])
        try write([persist(1) { $0.append = entries(5...8) }], to: directory)
        try write([persist(1) { $0.append = entries(9...12) }], to: directory)
        try edit(directory, "DELETE FROM log WHERE first_index = 5")
        #expect(refusal(directory) == .logGap(path: directory.database, expected: 5, found: 9))
    }

    /// As a disk leaves it that writes to a wrong place, or not at all: whole, and with a checksum.
    @Test("a row of the log with the content of another one as long is refused (D13)")
    func staleRun() throws {
        let directory = try prepared([
            persist(1) {
                $0.vote = vote(1); $0.append = entries(1...4)
            }
        ])
        try write([persist(1) { $0.append = entries(5...8) }], to: directory)
        try edit(
            directory,
            """
            UPDATE log SET (entries, crc) = (SELECT entries, crc FROM log WHERE first_index = 1)
            WHERE first_index = 5
            """)
        let failure = try #require(refusal(directory))
        #expect(isDamagedRow("log")(failure), "\(failure)")
    }

    @Test("a missing, damaged or foreign watermark is refused")
    func watermark() throws {
        let directory = try prepared()
        let other = try prepared()
        let damaged = try directory.copyOfData()
        let foreign = try directory.copyOfData()
        unlink(directory.watermark)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: damaged.watermark))
        bytes[25] ^= 1
        try bytes.write(to: URL(fileURLWithPath: damaged.watermark))
        unlink(foreign.watermark)
        try FileManager.default.copyItem(atPath: other.watermark, toPath: foreign.watermark)
        for place in [directory, damaged, foreign] {
            guard case .watermarkDamaged = refusal(place) else {
                Issue.record("the watermark of \(place.data) was not refused")
                continue
            }
        }
    }

    @Test("every refusal says what, where and what to do")
    func messages() throws {
        let directory = try TemporaryDirectory()
        let failure = try #require(refusal(directory))
        #expect(
            failure.description == "The data directory \(directory.data) does not exist. "
                + "If this server is new, start it once with --bootstrap; "
                + "if it had state, find its disk.")
    }
}

private func isDamagedRow(_ name: String) -> @Sendable (StorageFailure) -> Bool {
    { failure in
        if case .damagedRow(_, name, _, _) = failure { true } else { false }
    }
}
