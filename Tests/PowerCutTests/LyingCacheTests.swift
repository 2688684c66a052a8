import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Testing

/// A sync fails, the process ends, and the next one reads from the kernel's cache what the disk
/// does not hold. Later syncs succeed without writing it (D2). Then the power is cut.
@Suite("A restart after a failed sync, on a cache that lies", .serialized)
struct LyingCacheTests {
    /// With `LATCH_CUTS`: every kind of survival at every cut, not one of them in turn.
    private let isLong = setting("LATCH_CUTS") != nil

    @Test(
        "what the restarted server found and acknowledged survives, or is missed aloud (D2)",
        arguments: Stories.allCases)
    func powerCutAfterRestart(story: Stories) {
        let syncs = story.run().operations.enumerated().compactMap { offset, operation in
            if case .synchronize = operation { offset + 1 } else { nil }
        }
        #expect(!syncs.isEmpty)
        var (judged, refused, shut) = (0, 0, 0)
        for sync in syncs {
            let first = story.run(faults: [sync: .error(EIO)])
            let second = Life.run(
                on: first.image, hasOpened: first.hasOpened, seed: 6, sample: isLong ? .max : 20,
                script: Self.script)
            guard second.refusal == nil else {
                shut += 1
                continue
            }
            for (number, cut) in second.cuts.enumerated() {
                for (turn, survival) in Survival.allCases.enumerated() {
                    guard isLong || number % Survival.allCases.count == turn else { continue }
                    judged += 1
                    if !judge(cut, survival, first, second, "\(story.rawValue), sync \(sync)") {
                        refused += 1
                    }
                }
            }
        }
        #expect(refused < judged && shut < syncs.count, "who refuses everything promises nothing")
        print(
            "\(story.rawValue): \(judged) power cuts after a failed sync, \(refused) refused; "
                + "\(shut) of \(syncs.count) restarts refused")
    }

    /// False if the opening after the cut refused, which says aloud that something is lost.
    private func judge(
        _ cut: Cut, _ survival: Survival, _ first: Life.Result, _ second: Life.Result,
        _ place: String
    ) -> Bool {
        // Nothing is promised of what was found until something was queued upon it.
        let isOpen = cut.queued > 0
        let (states, from, through) =
            isOpen
            ? (second.states, cut.acknowledged, cut.queued)
            : (first.states + second.states.prefix(1), first.acknowledged, first.states.count)
        let verdict = Verdict(after: cut, states: states, survival: survival, seed: 7)
        if verdict.opening.refusal != nil { return false }
        let complaint = Verdict.complaint(
            about: verdict.opening, promised: states, from: from, through: through)
        if let complaint {
            let story = Story(
                reproduction: "swift test --filter LyingCacheTests",
                complaint: "\(place), \(survival) at \(cut.operation): \(complaint)",
                operations: second.operations, cut: cut.operation)
            Issue.record("\(story)")
        }
        return true
    }

    private static func script(_ state: PersistentState) -> [[Persist]] {
        var random = SeededGenerator(seed: 13)
        var work = Workload(from: state)
        return [
            [work.append(2, bytes: 90, random: &random)], [work.vote(for: 2)],
            [work.append(1, bytes: 300, random: &random)],
        ]
    }
}
