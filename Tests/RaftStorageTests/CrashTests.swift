import Foundation
import RaftCore
import SeededRandom
import Synchronization
import Testing

@testable import RaftStorage

@Suite("A crash loses nothing that was acknowledged")
struct CrashTests {
    @Test(
        "the files at the moment of any acknowledgement hold everything acknowledged",
        arguments: 0..<6 as Range<UInt64>)
    func copiedAtAcknowledgement(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        let options = bootstrapping {
            $0.checkpointPages = 6; $0.maximumRunBytes = 500
        }
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: options)
        var random = SplitMix(seed: seed)
        var model = Model()
        var expected: [UInt64: PersistentState] = [:]
        let copies = Mutex<[(UInt64, TemporaryDirectory)]>([])
        let reports = Reports()
        reports.start(
            storage,
            alsoOnPersisted: { id in
                // On the writer thread: nothing is written meanwhile.
                guard id.rawValue % 3 == 0, let copy = try? directory.copyOfData() else { return }
                copies.withLock { $0.append((id.rawValue, copy)) }
            })
        for id in 1...40 as ClosedRange<UInt64> {
            storage.persist(model.randomStep(using: &random))
            expected[id] = model.state
            if random.next(below: 2) == 0 { try reports.wait(for: id) }
        }
        try reports.wait(for: 40)
        storage.close()
        let images = copies.withLock { $0 }
        #expect(!images.isEmpty)
        for (id, image) in images {
            #expect(try read(image) == expected[id], "seed \(seed), id \(id)")
        }
    }

    @Test("a process killed with SIGKILL under load", arguments: [0, 1, 2])
    func killed(round: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, round = round as Int] in
            try CrashTests.writeUntilKilled(path, after: 200 + UInt64(round) * 137)
        }
        let text = try String(contentsOfFile: path + "/acknowledged", encoding: .utf8)
        let acknowledged = try #require(text.split(separator: "\n").compactMap { UInt64($0) }.max())
        #expect(acknowledged >= 200)
        let state = try read(directory)
        let last = state.entries.last?.index.rawValue ?? 0
        #expect(last >= acknowledged)
        #expect(state.entries == entries(1...last))
    }

    /// The child: appends entry after entry, notes what was acknowledged, then kills itself while
    /// the
    /// writer thread is busy.
    static func writeUntilKilled(_ path: String, after count: UInt64) throws {
        let log = open(path + "/acknowledged", O_WRONLY | O_APPEND | O_CREAT, 0o600)
        let (storage, _) = try RaftStorage.open(
            directory: path + "/data", identity: identity,
            options: bootstrapping { $0.checkpointPages = 20 })
        let newest = Atomic<UInt64>(0)
        storage.start(
            onPersisted: { id in
                // Persist n holds entry n.
                let line = Array("\(id.rawValue)\n".utf8)
                _ = Foundation.write(log, line, line.count)
                newest.store(id.rawValue, ordering: .relaxed)
            }, onFailure: { _ in exit(1) })
        var id: UInt64 = 0
        while true {
            id += 1
            storage.persist(
                persist(id) {
                    if id == 1 { $0.vote = vote(1) }
                    $0.append = [entry(id)]
                })
            while newest.load(ordering: .relaxed) + 20 < id { sched_yield() }
            if newest.load(ordering: .relaxed) >= count { kill(getpid(), SIGKILL) }
        }
    }

    @Test("an opening that is cut short before it is marked can be repeated (D21)")
    func openedAndDropped() throws {
        let directory = try TemporaryDirectory()
        try write(
            [
                persist(1) {
                    $0.vote = vote(2); $0.append = entries(1...3)
                }
            ], to: directory)
        for _ in 0..<3 {
            // Neither started nor closed: as if the process had ended here.
            _ = try RaftStorage.open(
                directory: directory.data, identity: identity, options: StorageOptions())
        }
        #expect(try read(directory).entries == entries(1...3))
    }
}

@Suite("A failed write stops the storage")
struct WriteFailureTests {
    @Test(
        "a full disk is reported once; nothing later is acknowledged, what was is kept (D1, D3, D4)"
    )
    func full() throws {
        let directory = try TemporaryDirectory()
        let options = bootstrapping { $0.maximumDatabasePages = 40 }
        let (storage, _) = try RaftStorage.open(
            directory: directory.data, identity: identity, options: options)
        let reports = Reports()
        reports.start(storage)
        let sound = persist(1) {
            $0.vote = vote(1); $0.append = entries(1...10)
        }
        storage.persist(sound)
        try reports.wait(for: 1)
        storage.persist(
            persist(2) {
                $0.snapshot = snapshot(8, bytes: 1 << 20)
                $0.purgeThrough = LogIndex(7)
            })
        storage.persist(persist(3) { $0.append = [entry(11)] })
        guard case .diskFull = try reports.waitForFailure() else {
            Issue.record("\(reports.failures)")
            return
        }
        storage.persist(persist(4) { $0.append = [entry(12)] })
        storage.close()
        #expect(reports.persisted == [PersistID(1)])
        #expect(reports.failures.count == 1)
        #expect(storage.queuedCount == 0)
        var model = Model()
        model.apply(sound)
        #expect(try read(directory.copyOfData()) == model.state, "the log was not purged (B33)")
    }

    @Test(
        "a file that may not grow: the failed write is reported, nothing acknowledged lost (D3)"
    )
    func fileSizeLimit() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path
        await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
            signal(SIGXFSZ, SIG_IGN)
            try WriteFailureTests.writeUntilRefused(path)
        }
        let text = try String(contentsOfFile: path + "/acknowledged", encoding: .utf8)
        let acknowledged = try #require(UInt64(text))
        #expect(acknowledged > 0)
        let state = try read(directory)
        #expect(state.entries.count >= Int(acknowledged))
        let last = try #require(state.entries.last?.index.rawValue)
        #expect(state.entries == entries(1...last, bytes: 4_000))
    }

    /// The child: its files may not grow past 1 MiB; exits with 7 when that is reported.
    static func writeUntilRefused(_ path: String) throws {
        let (storage, _) = try RaftStorage.open(
            directory: path + "/data", identity: identity,
            options: bootstrapping { $0.checkpointPages = 1_000_000 })
        var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
        #if canImport(Glibc)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        #else
        setrlimit(RLIMIT_FSIZE, &limit)
        #endif
        let newest = Atomic<UInt64>(0)
        storage.start(
            onPersisted: { newest.store($0.rawValue, ordering: .relaxed) },
            onFailure: { _ in
                let text = "\(newest.load(ordering: .relaxed))"
                try? text.write(toFile: path + "/acknowledged", atomically: false, encoding: .utf8)
                exit(7)
            })
        for id in 1...10_000 as ClosedRange<UInt64> {
            storage.persist(
                persist(id) {
                    if id == 1 { $0.vote = vote(1) }
                    $0.append = [entry(id, bytes: 4_000)]
                })
            // Else all could be one transaction, that fails with nothing acknowledged before.
            while newest.load(ordering: .relaxed) + 20 < id { sched_yield() }
        }
        storage.close()
        exit(1)
    }

    @Test("a directory that may not be written is refused, as another user and as its owner (D18)")
    func accessRights() async throws {
        let directory = try TemporaryDirectory()
        try write([persist(1) { $0.vote = vote(1) }], to: directory)
        guard geteuid() == 0 else {
            chmod(directory.data, 0o500)
            guard case .directoryNotAccessible = refusal(directory) else {
                Issue.record("not refused")
                return
            }
            chmod(directory.data, 0o700)
            return
        }
        let path = directory.path
        chmod(path, 0o755)
        chmod(directory.data, 0o755)
        await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
            setuid(65_534)
            do throws(StorageFailure) {
                _ = try RaftStorage.open(
                    directory: path + "/data", identity: identity, options: StorageOptions())
            } catch {
                if case .foreignOwner(_, owner: 0, user: 65_534) = error { exit(7) }
            }
        }
        chown(directory.data, 65_534, 65_534)
        chmod(directory.data, 0o500)
        await #expect(processExitsWith: .exitCode(7)) { [path = path as String] in
            setuid(65_534)
            do throws(StorageFailure) {
                _ = try RaftStorage.open(
                    directory: path + "/data", identity: identity, options: StorageOptions())
            } catch {
                if case .directoryNotAccessible = error { exit(7) }
            }
        }
    }
}
