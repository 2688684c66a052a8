import Dispatch
import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Synchronization
import Testing

/// The same story in a real process on the real file system, killed at one operation after another.
@Suite("A process killed at its Nth disk operation", .serialized)
struct KillTests {
    /// Start-up on an empty directory, vote, append, truncation, snapshot, install, close.
    private static func bursts(from state: PersistentState) -> [[Persist]] {
        var random = SeededGenerator(seed: 31)
        var work = Workload(from: state)
        let vote = work.vote(for: 1)
        let append = work.append(8, bytes: 300, random: &random)
        let replace = work.replace(2, bytes: 300, random: &random)
        let snapshot = work.snapshot(bytes: 5_000, kept: 1, random: &random)
        let install = work.install(bytes: 5_000, random: &random)
        return [[vote], [append], [replace], [snapshot], [install], [work.vote(for: nil)]]
    }

    /// Tells the story; notes each acknowledgement, and the end, before anything else happens.
    private static func tell(in path: String, killedAt operation: Int) throws -> Int {
        let disk = KillingDisk(killsAt: operation)
        DiskVFS.mount(disk, at: path)
        defer { DiskVFS.unmount(path) }
        var options = StorageOptions(bootstrap: true)
        options.checkpointPages = 6
        options.systemCalls = disk
        let (storage, recovered) = try RaftStorage.open(
            directory: path + "/data", identity: Life.identity, options: options)
        let notes = open(path + "/acknowledged", O_WRONLY | O_APPEND | O_CREAT, 0o600)
        let bursts = Mutex(Self.bursts(from: recovered)[...])
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
        return disk.operations
    }

    /// The writer says nothing any more.
    private struct Stuck: Error {}

    private static func directory() throws -> String {
        let path = NSTemporaryDirectory() + "latchd-kill-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    /// `LATCH_KILLS=1000` kills at each operation; without it, at a few, evenly spread.
    @Test("loses nothing that was acknowledged (P1, goal 4)")
    func killed() async throws {
        let whole = try Self.directory()
        defer { try? FileManager.default.removeItem(atPath: whole) }
        let count = try Self.tell(in: whole, killedAt: 0)
        let wanted = min(count, setting("LATCH_KILLS") ?? 12)
        for number in 0..<wanted {
            try await kill(at: 1 + number * count / wanted)
        }
        print("\(wanted) kills over \(count) operations")
    }

    private func kill(at operation: Int) async throws {
        let path = try Self.directory()
        defer { try? FileManager.default.removeItem(atPath: path) }
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, operation = operation as Int] in
            _ = try KillTests.tell(in: path, killedAt: operation)
        }
        let notes = try? String(contentsOfFile: path + "/acknowledged", encoding: .utf8)
        let hasOpened = notes != nil
        let acknowledged = notes?.split(separator: "\n").compactMap { Int($0) }.max() ?? 0
        let (storage, found) = try RaftStorage.open(
            directory: path + "/data", identity: Life.identity,
            options: StorageOptions(bootstrap: !hasOpened))
        storage.close()
        var work = Workload(from: PersistentState())
        var states = [work.state]
        for persist in Self.bursts(from: PersistentState()).joined() {
            _ = work.step { $0 = persist }
            states.append(work.state)
        }
        // One burst is queued at a time.
        let allowed = states[acknowledged...min(acknowledged + 1, states.count - 1)]
        #expect(allowed.contains(found), "killed at operation \(operation)")
    }
}
