import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Testing

@Suite("Power cuts at every disk operation of directed lives", .serialized)
struct DirectedCutTests {
    /// With `LATCH_CUTS`: at every operation every kind of survival, and the opening after each of
    /// them cut at each of its own operations. Otherwise a third of the kinds, in turn, and only
    /// the opening after one of them at each 20th operation.
    private let isLong = setting("LATCH_CUTS") != nil

    @Test(
        "every operation, kinds of survival in turn, and every operation of some openings (D21)",
        arguments: Stories.allCases)
    func everyOperation(story: Stories) {
        let life = story.run(sample: .max)
        #expect(life.refusal == nil && life.failures.isEmpty && life.hasEnded)
        #expect(life.cuts.count == life.operations.count, "each operation is a cut")
        var recoveries = 0
        for cut in life.cuts {
            for (number, survival) in Survival.allCases.enumerated() {
                guard isLong || number % 3 == cut.operation % 3 else { continue }
                let isCutAgain = isLong || (cut.operation % 20 == 0 && number < 3)
                let verdict = Verdict(
                    after: cut, states: life.states, survival: survival,
                    seed: UInt64(cut.operation), sample: isCutAgain ? .max : 0)
                guard verdict.complaint == nil else {
                    return report(verdict, "\(survival)", life, at: cut)
                }
                for again in verdict.opening.cuts {
                    recoveries += 1
                    let second = Verdict(
                        after: again, states: verdict.opening.states,
                        survival: Survival.allCases[again.operation % Survival.allCases.count],
                        seed: UInt64(again.operation))
                    guard second.complaint == nil else {
                        return report(second, "again, \(survival)", verdict.opening, at: again)
                    }
                }
            }
        }
        #expect(recoveries > 0)
    }

    private func report(
        _ verdict: Verdict, _ kind: String, _ life: Life.Result, at cut: Cut
    ) {
        let story = Story(
            reproduction: "swift test --filter DirectedCutTests",
            complaint: "\(kind): \(verdict.complaint ?? "")", operations: life.operations,
            cut: cut.operation)
        Issue.record("\(story)")
    }

    @Test("the check is not blind: on a disk whose syncs do nothing, it complains")
    func lyingDisk() {
        var complaints = 0
        for seed in 1...10 as ClosedRange<UInt64> {
            let life = Life.run(
                on: DiskImage(), hasOpened: false, seed: seed, sample: 5, diskLies: true,
                script: Stories.append.script)
            for cut in life.cuts where cut.acknowledged > 0 {
                let verdict = Verdict(
                    after: cut, states: life.states, survival: .sectors, seed: seed)
                if verdict.complaint != nil { complaints += 1 }
            }
        }
        #expect(complaints > 0)
    }
}
