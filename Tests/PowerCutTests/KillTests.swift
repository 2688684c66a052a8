import Dispatch
import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Synchronization
import Testing

/// Stories in a real process on the real file system, killed at one operation after another.
@Suite("A process killed at its Nth disk operation", .serialized)
struct KillTests {
    /// What a process has left that was killed while it wrote its last transaction, an install.
    enum Remains: String, CaseIterable, Sendable, CustomTestStringConvertible {
        /// The log has all of it, but nobody was told.
        case unacknowledged
        /// The page that commits it is missing.
        case torn

        var testDescription: String { rawValue }
    }

    /// A story that was told to its end.
    private struct Told {
        /// The state found at the start.
        var found: PersistentState
        /// Operations until each burst was acknowledged; the last of them writes the watermark.
        var untilAcknowledged: [Int] = []
        var operations = 0
    }

    /// After the start-up on an empty directory: vote, append, truncation, snapshot, install.
    /// After a recovery, which is what matters there: vote, append.
    private static func bursts(from state: PersistentState, beginsEmpty: Bool) -> [[Persist]] {
        var random = SeededGenerator(seed: 31)
        var work = Workload(from: state)
        let vote = work.vote(for: 1)
        let append = work.append(8, bytes: 300, random: &random)
        guard beginsEmpty else { return [[vote], [append]] }
        let replace = work.replace(2, bytes: 300, random: &random)
        let snapshot = work.snapshot(bytes: 5_000, kept: 1, random: &random)
        let install = work.install(bytes: 5_000, random: &random)
        return [[vote], [append], [replace], [snapshot], [install], [work.vote(for: nil)]]
    }

    /// The state found at the start, then that after each burst.
    private static func states(
        from start: PersistentState, beginsEmpty: Bool
    ) -> [PersistentState] {
        var work = Workload(from: start)
        var states = [start]
        for persist in bursts(from: start, beginsEmpty: beginsEmpty).joined() {
            _ = work.step { $0 = persist }
            states.append(work.state)
        }
        return states
    }

    /// Tells a story, to its end if `operation` is 0; notes that the storage is open, and each
    /// acknowledgement, before anything else happens.
    private static func tell(
        in path: String, beginsEmpty: Bool, killedAt operation: Int = 0
    ) throws -> Told {
        let disk = KillingDisk(killsAt: operation)
        DiskVFS.mount(disk, at: path)
        defer { DiskVFS.unmount(path) }
        var options = StorageOptions(bootstrap: beginsEmpty)
        options.checkpointPages = 6
        options.systemCalls = disk
        let (storage, recovered) = try RaftStorage.open(
            directory: path + "/data", identity: Life.identity, options: options)
        let notes = open(path + "/acknowledged", O_WRONLY | O_APPEND | O_CREAT, 0o600)
        let bursts = Mutex(Self.bursts(from: recovered, beginsEmpty: beginsEmpty)[...])
        let told = Mutex(Told(found: recovered))
        let failure = Mutex<StorageFailure?>(nil)
        let isTold = DispatchSemaphore(value: 0)
        // On the writer's thread, while it reports the burst before: so the operations of a story
        // are the same each time, and a kill at a late one does happen.
        @Sendable func queueNext() {
            guard let burst = bursts.withLock({ $0.popFirst() }) else {
                isTold.signal()
                return
            }
            for persist in burst { storage.persist(persist) }
        }
        queueNext()
        storage.start(
            onPersisted: { id in
                let line = Array("\(id.rawValue)\n".utf8)
                _ = write(notes, line, line.count)
                told.withLock { $0.untilAcknowledged.append(disk.operations) }
                queueNext()
            },
            onFailure: { reported in
                failure.withLock { $0 = reported }
                isTold.signal()
            })
        guard isTold.wait(timeout: .now() + 60) == .success else { throw Stuck() }
        if let failure = failure.withLock({ $0 }) { throw failure }
        storage.close()
        close(notes)
        told.withLock { $0.operations = disk.operations }
        return told.withLock { $0 }
    }

    /// The writer says nothing any more.
    private struct Stuck: Error {}

    private static func directory() throws -> String {
        let path = NSTemporaryDirectory() + "latchd-kill-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    private static func copyData(from path: String, to newPath: String) throws {
        try FileManager.default.copyItem(atPath: path + "/data", toPath: newPath + "/data")
    }

    @Test("loses nothing that was acknowledged (P1, goal 4)")
    func killed() async throws {
        let path = try Self.directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await killEach(of: Self.tell(in: path, beginsEmpty: true), on: nil)
    }

    @Test(
        "loses nothing either when it recovers from what a killed one has left (P1, P3, D21)",
        arguments: Remains.allCases)
    func killedInRecovery(of remains: Remains) async throws {
        let paths = try (0..<3).map { _ in try Self.directory() }
        defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
        let (whole, left, rehearsal) = (paths[0], paths[1], paths[2])
        let install = 5
        let written = try Self.tell(in: whole, beginsEmpty: true).untilAcknowledged[install - 1]
        // The last operations: head and page of the frame that commits, sync, watermark.
        let last = remains == .torn ? written - 3 : written
        await end(in: left, beginsEmpty: true, at: last)
        #expect(Self.acknowledged(in: left) == install - 1)
        try Self.copyData(from: left, to: rehearsal)
        let told = try Self.tell(in: rehearsal, beginsEmpty: false)
        let states = Self.states(from: PersistentState(), beginsEmpty: true)
        let expected = states[remains == .torn ? install - 1 : install]
        try #require(told.found == expected, "the process has left something else")
        try await killEach(of: told, on: left)
    }

    /// Kills at each operation of a story, each time another process.
    ///
    /// `LATCH_KILLS=12` kills at that many, evenly spread.
    ///
    /// - Parameter remains: Where the data lies on which the story begins; nil: there is none.
    private func killEach(of told: Told, on remains: String?) async throws {
        let count = told.operations
        let wanted = min(count, setting("LATCH_KILLS") ?? count)
        let states = Self.states(from: told.found, beginsEmpty: remains == nil)
        for number in 0..<wanted {
            try await kill(at: 1 + number * count / wanted, on: remains, states: states)
        }
        print("\(wanted) kills over \(count) operations")
    }

    private func kill(
        at operation: Int, on remains: String?, states: [PersistentState]
    ) async throws {
        let path = try Self.directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        if let remains { try Self.copyData(from: remains, to: path) }
        await end(in: path, beginsEmpty: remains == nil, at: operation)
        let acknowledged = Self.acknowledged(in: path)
        let (storage, found) = try RaftStorage.open(
            directory: path + "/data", identity: Life.identity,
            options: StorageOptions(bootstrap: remains == nil && acknowledged == nil))
        storage.close()
        // One burst is queued at a time.
        let first = acknowledged ?? 0
        let allowed = states[first...min(first + 1, states.count - 1)]
        #expect(allowed.contains(found), "killed at operation \(operation)")
    }

    /// A process that tells a story and is killed at this operation.
    private func end(in path: String, beginsEmpty: Bool, at operation: Int) async {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, beginsEmpty = beginsEmpty as Bool, operation = operation as Int]
            in
            _ = try KillTests.tell(in: path, beginsEmpty: beginsEmpty, killedAt: operation)
        }
    }

    /// The last burst that was acknowledged, 0 if none was; nil if the storage was never open.
    private static func acknowledged(in path: String) -> Int? {
        let notes = try? String(contentsOfFile: path + "/acknowledged", encoding: .utf8)
        return notes.map { $0.split(separator: "\n").compactMap { Int($0) }.max() ?? 0 }
    }
}
