import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Testing

/// One operation fails; the process stops; then another one opens what is left.
@Suite("A disk that fails once, at every operation of directed lives", .serialized)
struct FailureTests {
    /// With `LATCH_CUTS`: every fault at every operation, not one of them in turn.
    private let isLong = setting("LATCH_CUTS") != nil

    @Test(
        "reported once, nothing acknowledged after, everything acknowledged kept (D1, D3, D4)",
        arguments: Stories.allCases)
    func everyOperation(story: Stories) {
        let undisturbed = story.run(sample: .max)
        let operations = undisturbed.operations
        let lastReported = lastBeforeClosing(undisturbed)
        let faults: [DiskFault] = [.error(EIO), .error(ENOSPC), .halfWayError(ENOSPC)]
        for operation in 1...max(1, operations.count) {
            for (number, fault) in faults.enumerated() {
                guard isLong || operation % faults.count == number else { continue }
                let life = story.run(faults: [operation: fault])
                let place = "\(story.rawValue), \(fault) at \(operation)"
                expectStopped(life, place)
                guard operation <= lastReported else { continue }
                // SQLite lets a log that is not cut to size be.
                if case .truncate = operations[operation - 1] { continue }
                #expect(
                    life.refusal != nil || life.failures.count == 1,
                    "\(place): \(operations[operation - 1]) failed, and the life went on")
            }
        }
    }

    /// `PRAGMA journal_mode = WAL` answers "wal" with its first row, and commits the change only
    /// after it. A reader of one row never saw that commit fail: the storage went on with a
    /// rollback journal, whose deletion is not made durable before an acknowledgement.
    @Test("a switch to the write-ahead log that fails is a refusal, not another journal (D1)")
    func journalMode() {
        let journal = "/data/latchd.sqlite-journal"
        let places = Stories.startUp.run().operations.enumerated().compactMap { offset, operation in
            if case .synchronize(let path) = operation, path == journal { offset + 1 } else { nil }
        }
        #expect(!places.isEmpty)
        for place in places {
            let life = Stories.startUp.run(faults: [place: .error(EIO)])
            guard case .inputOutput = life.refusal else {
                Issue.record("at \(place): \(life.refusal.map { "\($0)" } ?? "not refused")")
                continue
            }
        }
    }

    @Test(
        "a read that fails is an error, never an absent row (D6)",
        arguments: [Stories.startUp, .snapshot])
    func everyRead(story: Stories) {
        let count = story.run().reads
        for read in 1...max(1, count) {
            let life = story.run(readFaults: [read: EIO])
            expectStopped(life, "\(story.rawValue), read \(read)")
            guard let found = life.states.first, !story.beginsEmpty else { continue }
            #expect(found == expectedBeginning, "\(story.rawValue), read \(read)")
        }
    }

    /// What ``Stories/beginning()`` leaves.
    private let expectedBeginning = Stories.vote.run().states.first

    /// The last operation before everything was acknowledged: at the close a failure may pass.
    private func lastBeforeClosing(_ life: Life.Result) -> Int {
        let last = life.cuts.last { !$0.hasOpened || $0.acknowledged < life.states.count - 1 }
        return last?.operation ?? 0
    }

    private func expectStopped(_ life: Life.Result, _ place: String) {
        #expect(life.hasEnded, "\(place): never ended")
        #expect(life.failures.count <= 1, "\(place): \(life.failures)")
        #expect(life.reportsAfterFailure == 0, "\(place): acknowledged after a failure")
        if life.failures.isEmpty, life.refusal == nil {
            #expect(life.acknowledged == max(0, life.states.count - 1), "\(place): forgotten")
        }
        // The next process finds what the kernel still has, or what the disk has after a power cut.
        let cut = Cut(
            operation: 0, image: life.image, acknowledged: life.acknowledged,
            queued: life.queued, hasOpened: life.hasOpened)
        let states = life.states.isEmpty && life.hasOpened ? expectedStates : life.states
        for survival in isLong ? Survival.allCases : [.nothing, .sectors] {
            let verdict = Verdict(after: cut, states: states, survival: survival, seed: 3)
            if let complaint = verdict.complaint {
                report(complaint, "\(place), then \(survival)", life)
            }
        }
        let restart = Life.run(on: life.image, hasOpened: life.hasOpened, seed: 4)
        let complaint = Verdict.complaint(
            about: restart, promised: states, from: life.acknowledged, through: life.queued)
        if let complaint { report(complaint, "\(place), restarted", life) }
    }

    private func report(_ complaint: String, _ place: String, _ life: Life.Result) {
        let story = Story(
            reproduction: "swift test --filter FailureTests", complaint: "\(place): \(complaint)",
            operations: life.operations, cut: 0)
        Issue.record("\(story)\nrefusal: \(life.refusal.map { "\($0)" } ?? "none")")
    }

    /// An opening that fails leaves what it found.
    private var expectedStates: [PersistentState] { expectedBeginning.map { [$0] } ?? [] }
}
