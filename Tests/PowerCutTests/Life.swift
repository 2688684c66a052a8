import Dispatch
import FaultyDisk
import RaftCore
import RaftStorage
import Synchronization

/// A moment in a life at which the power may be cut, with all that was promised until then.
struct Cut: Sendable {
    let operation: Int
    let image: DiskImage
    /// Ids; 0 is the state that was found at the start.
    let acknowledged: Int
    let queued: Int
    /// Whether any opening has ever succeeded: until then the operator asks for a bootstrap.
    let hasOpened: Bool
}

/// Steps in bursts: those of one burst are queued together and become one transaction.
typealias Script = (PersistentState) -> [[Persist]]

/// One process that opens the storage on a disk, writes, and closes.
///
/// Nothing in it depends on the order in which threads run: each burst is queued on the writer
/// thread itself, while it reports the one before.
final class Life: Sendable {
    private struct Progress {
        var acknowledged = 0
        var queued = 0
        var hasOpened: Bool
        var waiting: ArraySlice<[Persist]> = []
        var failures: [StorageFailure] = []
        var reportsAfterFailure = 0
        var cuts: [Cut] = []
        var seen = 0
        var random: SeededGenerator
    }

    /// What is known when the process has ended.
    struct Result {
        /// The state found at the start, then that after each step.
        var states: [PersistentState]
        var refusal: StorageFailure?
        var failures: [StorageFailure]
        var reportsAfterFailure: Int
        var acknowledged: Int
        var queued: Int
        var hasOpened: Bool
        var cuts: [Cut]
        var image: DiskImage
        var operations: [DiskOperation]
        var reads: Int
        /// The writer thread reported an end within the time allowed.
        var hasEnded: Bool
    }

    static let identity = StorageIdentity(
        clusterName: "cuts", serverID: ServerID(1), members: ["1=a:1", "2=b:1", "3=c:1"])
    private static let lives = Atomic<Int>(0)

    private let progress: Mutex<Progress>
    /// Cuts to keep: all, or a sample of this many.
    private let sample: Int
    private let ended = DispatchSemaphore(value: 0)

    private init(hasOpened: Bool, sample: Int, seed: UInt64) {
        progress = Mutex(Progress(hasOpened: hasOpened, random: SeededGenerator(seed: seed)))
        self.sample = sample
    }

    /// - Parameters:
    ///   - sample: How many cuts to keep, evenly drawn; `Int.max` keeps all.
    static func run(
        on image: DiskImage, hasOpened: Bool, seed: UInt64, sample: Int = 0,
        faults: [Int: DiskFault] = [:], readFaults: [Int: Int32] = [:],
        diskLies: Bool = false, script: Script = { _ in [] }
    ) -> Result {
        let life = Life(hasOpened: hasOpened, sample: sample, seed: seed)
        let number = lives.add(1, ordering: .relaxed).newValue
        let path = "/disk\(number)"
        let observer: SimulatedDisk.Observer = { operation, image in
            life.observe(operation, image)
        }
        let disk = SimulatedDisk(
            image, mount: path, faults: faults, readFaults: readFaults, seed: seed,
            ignoresSyncs: diskLies, observer: sample > 0 ? observer : nil)
        DiskVFS.mount(disk, at: path)
        defer {
            disk.switchOff()
            DiskVFS.unmount(path)
        }
        var options = StorageOptions(bootstrap: !hasOpened)
        options.checkpointPages = 6
        options.maximumRunBytes = 500
        options.snapshotChunkBytes = 2_000
        options.maximumWALBytes = 40_000
        options.systemCalls = disk
        return life.run(on: disk, at: path + "/data", options: options, script: script)
    }

    private func run(
        on disk: SimulatedDisk, at path: String, options: StorageOptions, script: Script
    ) -> Result {
        var states: [PersistentState] = []
        var refusal: StorageFailure?
        var hasEnded = true
        do throws(StorageFailure) {
            let (storage, recovered) = try RaftStorage.open(
                directory: path, identity: Self.identity, options: options)
            let bursts = script(recovered).filter { !$0.isEmpty }
            var workload = Workload(from: recovered)
            states =
                [recovered]
                + bursts.joined().map { persist in
                    _ = workload.step { $0 = persist }
                    return workload.state
                }
            progress.withLock {
                $0.hasOpened = true
                $0.waiting = bursts[...]
            }
            if !bursts.isEmpty {
                queueNext(to: storage)
                storage.start(
                    onPersisted: { self.persisted($0, of: storage) },
                    onFailure: { self.failed($0) })
                hasEnded = ended.wait(timeout: .now() + 20) == .success
            }
            if hasEnded { storage.close() }
        } catch {
            refusal = error
        }
        return progress.withLock { progress in
            Result(
                states: states, refusal: refusal, failures: progress.failures,
                reportsAfterFailure: progress.reportsAfterFailure,
                acknowledged: progress.acknowledged, queued: progress.queued,
                hasOpened: progress.hasOpened, cuts: progress.cuts, image: disk.image,
                operations: disk.operations, reads: disk.reads, hasEnded: hasEnded)
        }
    }

    private func queueNext(to storage: RaftStorage) {
        let burst = progress.withLock { progress in
            let burst = progress.waiting.popFirst()
            progress.queued = burst?.last.map { Int($0.id.rawValue) } ?? progress.queued
            return burst
        }
        guard let burst else {
            ended.signal()
            return
        }
        for persist in burst { storage.persist(persist) }
    }

    private func persisted(_ id: PersistID, of storage: RaftStorage) {
        let isBurstDone = progress.withLock { progress in
            if !progress.failures.isEmpty { progress.reportsAfterFailure += 1 }
            progress.acknowledged = Int(id.rawValue)
            return progress.acknowledged == progress.queued
        }
        if isBurstDone { queueNext(to: storage) }
    }

    private func failed(_ failure: StorageFailure) {
        progress.withLock { $0.failures.append(failure) }
        ended.signal()
    }

    /// Keeps each cut, or an even sample of them.
    private func observe(_ operation: Int, _ image: DiskImage) {
        progress.withLock { progress in
            progress.seen += 1
            let place =
                progress.cuts.count < sample
                ? progress.cuts.count : progress.random.next(below: progress.seen)
            guard place < sample else { return }
            let cut = Cut(
                operation: operation, image: image, acknowledged: progress.acknowledged,
                queued: progress.queued, hasOpened: progress.hasOpened)
            if place < progress.cuts.count {
                progress.cuts[place] = cut
            } else {
                progress.cuts.append(cut)
            }
        }
    }
}
