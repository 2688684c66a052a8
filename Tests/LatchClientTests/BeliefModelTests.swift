import Dispatch
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
    func oneHolder(seed: UInt64) async {
        let model = await finished(BeliefModel(seed: seed))
        #expect(model.violation == nil, "reproduce with LATCH_SEED=\(seed)")
        #expect(model.begun.count > 10, "LATCH_SEED=\(seed): hardly anybody ever holds")
    }

    @Test("the check notices a client that is wrong", arguments: BeliefModel.Mutant.allCases)
    func noticesMutants(mutant: BeliefModel.Mutant) async {
        for seed in UInt64(1)...24 {
            let model = await finished(BeliefModel(seed: seed, mutant: mutant))
            if model.violation != nil { return }
        }
        Issue.record("no seed shows that \(mutant) is wrong")
    }

    /// Runs a model to its end, on a thread of its own: tests that count on real time wait for
    /// none.
    private func finished(_ model: BeliefModel) async -> BeliefModel {
        await withCheckedContinuation { continuation in
            Self.thread.async {
                var model = model
                model.run(steps: 40_000)
                continuation.resume(returning: model)
            }
        }
    }

    private static let thread = DispatchQueue(label: "models")
}
