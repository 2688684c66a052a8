import HistoryChecker
import SeededRandom
import Testing

@Suite("The checker against brute force")
struct FlipTests {
    @Test(
        "a history made by a latch is good, for both", arguments: GeneratedHistory.Extras.allCases)
    func goodOnes(_ extras: GeneratedHistory.Extras) {
        for seed in 1...1_500 as ClosedRange<UInt64> {
            let history = GeneratedHistory.make(seed: seed, extras)
            #expect(BruteForce(history).isGood(), "seed \(seed)\n\(HistoryText.encode(history))")
            if case .linearizable = HistoryChecker.check(history) { continue }
            Issue.record("seed \(seed)\n\(HistoryText.encode(history))")
        }
    }

    @Test(
        "of flips that brute force calls bad, 99.9 % are found; of the others none is called bad",
        arguments: GeneratedHistory.Extras.allCases)
    func flips(_ extras: GeneratedHistory.Extras) {
        var bad = 0
        var missed: [UInt64] = []
        var accused: [UInt64] = []
        for seed in 1...3_000 as ClosedRange<UInt64> {
            let history = Self.flipped(seed, extras)
            let isBad = !BruteForce(history).isGood()
            let isFound = HistoryChecker.check(history).isViolation
            if isBad { bad += 1 }
            if isBad, !isFound { missed.append(seed) }
            if isBad != isFound { print("seed \(seed)\n\(HistoryText.encode(history))") }
            if !isBad, isFound { accused.append(seed) }
        }
        print("\(extras): \(bad) bad flips, missed: \(missed), accused: \(accused)")
        #expect(bad > 500)
        #expect(missed.count * 1_000 <= bad, "missed: seeds \(missed)")
        #expect(accused.isEmpty, "accused: seeds \(accused)")
    }

    static func flipped(_ seed: UInt64, _ extras: GeneratedHistory.Extras) -> [ClientOperation] {
        var chance = SplitMix(seed: seed &+ 1 << 32)
        return GeneratedHistory.flip(
            GeneratedHistory.make(seed: seed, extras), &chance)
    }
}
