import Foundation
import RaftCore
import RaftStorage
import Synchronization
import Testing

/// A directory for one test, removed with this object.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "latchd-storage-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The data directory of a server; not created.
    var data: String { path + "/data" }
    var database: String { data + "/latchd.sqlite" }
    var writeAheadLog: String { database + "-wal" }
    var watermark: String { data + "/latchd.watermark" }

    /// What a process that is killed at this moment leaves behind, as another data directory.
    func copyOfData() throws -> TemporaryDirectory {
        let copy = try TemporaryDirectory()
        try FileManager.default.copyItem(atPath: data, toPath: copy.data)
        return copy
    }
}

let identity = StorageIdentity(
    clusterName: "test", serverID: ServerID(1), members: ["1=a:7400", "2=b:7400", "3=c:7400"])

func bootstrapping(_ change: (inout StorageOptions) -> Void = { _ in }) -> StorageOptions {
    var options = StorageOptions(bootstrap: true)
    change(&options)
    return options
}

func entry(_ index: UInt64, term: UInt64 = 1, bytes: Int = 8) -> Entry {
    let payload = (0..<bytes).map { UInt8(truncatingIfNeeded: index &* 31 &+ UInt64($0)) }
    return Entry(index: LogIndex(index), term: Term(term), payload: payload)
}

func entries(_ range: ClosedRange<UInt64>, term: UInt64 = 1, bytes: Int = 8) -> [Entry] {
    range.map { entry($0, term: term, bytes: bytes) }
}

func snapshot(_ index: UInt64, term: UInt64 = 1, bytes: Int = 100) -> Snapshot {
    let data = (0..<bytes).map { UInt8(truncatingIfNeeded: UInt64($0) &* 7 &+ index) }
    return Snapshot(lastIncludedIndex: LogIndex(index), lastIncludedTerm: Term(term), data: data)
}

func persist(_ id: UInt64, _ change: (inout Persist) -> Void) -> Persist {
    var persist = Persist(id: PersistID(id))
    change(&persist)
    return persist
}

func vote(_ term: UInt64, for server: UInt16? = nil) -> Persist.Vote {
    Persist.Vote(currentTerm: Term(term), votedFor: server.map { ServerID($0) })
}

/// What a storage reported, and a way to wait for it.
final class Reports: Sendable {
    private struct State {
        var persisted: [PersistID] = []
        var failures: [StorageFailure] = []
    }
    private let state = Mutex(State())

    var persisted: [PersistID] { state.withLock { $0.persisted } }
    var failures: [StorageFailure] { state.withLock { $0.failures } }

    func start(
        _ storage: RaftStorage, alsoOnPersisted: @escaping @Sendable (PersistID) -> Void = { _ in }
    ) {
        storage.start(
            onPersisted: { id in
                alsoOnPersisted(id)
                self.state.withLock { $0.persisted.append(id) }
            },
            onFailure: { failure in self.state.withLock { $0.failures.append(failure) } })
    }

    /// Waits, at most 20 seconds, until this id is durable or a failure is reported.
    func wait(for id: UInt64) throws {
        try wait(until: { !failures.isEmpty || (persisted.last?.rawValue ?? 0) >= id })
        try #require(failures.isEmpty)
    }

    func waitForFailure() throws -> StorageFailure {
        try wait(until: { !failures.isEmpty })
        return try #require(failures.first)
    }

    private func wait(until condition: () -> Bool) throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(20))
        while !condition() {
            try #require(ContinuousClock.now < deadline, "the storage did not report in time")
            sched_yield()
        }
    }
}

/// Opens, writes the steps, closes.
func write(
    _ steps: [Persist], to directory: TemporaryDirectory, options: StorageOptions = bootstrapping()
) throws {
    let (storage, _) = try RaftStorage.open(
        directory: directory.data, identity: identity, options: options)
    let reports = Reports()
    reports.start(storage)
    for step in steps { storage.persist(step) }
    storage.close()
    try #require(reports.failures.isEmpty)
    if let last = steps.last { #expect(reports.persisted.last == last.id) }
}

/// Opens an existing database, reads it, closes it again.
func read(
    _ directory: TemporaryDirectory, options: StorageOptions = StorageOptions(),
    as identity: StorageIdentity = identity
) throws -> PersistentState {
    let (storage, recovered) = try RaftStorage.open(
        directory: directory.data, identity: identity, options: options)
    storage.close()
    return recovered
}

/// What opening is refused with; an issue is recorded if it is not refused.
func refusal(
    _ directory: TemporaryDirectory, options: StorageOptions = StorageOptions(),
    as identity: StorageIdentity = identity
) -> StorageFailure? {
    do {
        _ = try read(directory, options: options, as: identity)
        Issue.record("opening was not refused")
        return nil
    } catch let failure as StorageFailure {
        return failure
    } catch {
        Issue.record("\(error)")
        return nil
    }
}
