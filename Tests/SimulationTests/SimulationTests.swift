import Foundation
import RaftSimulation
import Testing

/// The numbers that a run can be given from outside.
enum Wish {
    static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
    }

    /// One seed only, with its whole trace.
    static var seed: UInt64? { number("LATCH_SEED") }
    /// How many seeds to run.
    static var seedCount: UInt64 { number("LATCH_SEEDS") ?? 2_000 }
    /// The first of them.
    static var firstSeed: UInt64 { number("LATCH_FIRST_SEED") ?? 1 }
}

@Suite("Simulation", .serialized)
struct SimulationTests {
    @Test("no seed breaks an invariant, and every cluster recovers (I1–I10, I12–I22)")
    func seeds() async throws {
        TrapReport.install()
        if let seed = Wish.seed {
            var simulation = Simulation(seed: seed, mode: .printed)
            try simulation.run()
            return
        }
        let first = Wish.firstSeed
        let summary = await SeedRunner().run(seeds: first..<(first + Wish.seedCount), lanes: 2)
        for other in summary.failures.dropFirst() {
            print("seed \(other.seed): \(other.violation)")
        }
        if let failure = summary.failures.first { throw failure }
        #expect(summary.seeds == Int(Wish.seedCount))
        print("\(summary.seeds) seeds:", terminator: "")
        for (name, path) in Marks.names {
            print(" \(name) \(summary.marks[keyPath: path])", terminator: ";")
            if Wish.seedCount >= 500 {
                #expect(summary.marks[keyPath: path] > 0, "no seed reached: \(name)")
            }
        }
        print()
    }

    @Test(
        "the same seed twice is the same run (I21)",
        arguments: [1, 2, 3, 5, 8, 13, 21, 34] as [UInt64])
    func determinism(seed: UInt64) throws {
        var first = Simulation(seed: seed)
        try first.run()
        var second = Simulation(seed: seed, mode: .recent(60))
        try second.run()
        #expect(first.trace.hash == second.trace.hash)
        #expect(first.marks.steps == second.marks.steps)
    }
}
