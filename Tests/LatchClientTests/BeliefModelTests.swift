import Foundation
import Testing

@testable import LatchClient

@Suite("Clients of a cluster that keeps the contract (D4, 6, 15)")
struct BeliefModelTests {
    private static let seeds: [UInt64] = {
        if let text = ProcessInfo.processInfo.environment["LATCH_SEED"], let seed = UInt64(text) {
            return [seed]
        }
        return Array(1...24)
    }()

    @Test("two clients never both believe that they hold, by their own deadlines", arguments: seeds)
    func oneHolder(seed: UInt64) {
        var model = BeliefModel(seed: seed)
        model.run(steps: 40_000)
        #expect(model.violation == nil, "reproduce with LATCH_SEED=\(seed)")
        #expect(model.begun.count > 10, "LATCH_SEED=\(seed): hardly anybody ever holds")
    }

    @Test("the check notices a client that is wrong", arguments: BeliefModel.Mutant.allCases)
    func noticesMutants(mutant: BeliefModel.Mutant) {
        let isNoticed = (1...24).contains { seed in
            var model = BeliefModel(seed: UInt64(seed), mutant: mutant)
            model.run(steps: 40_000)
            return model.violation != nil
        }
        #expect(isNoticed, "no seed shows that \(mutant) is wrong")
    }
}
