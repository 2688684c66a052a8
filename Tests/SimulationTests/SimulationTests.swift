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
    static var seedCount: UInt64 { number("LATCH_SEEDS") ?? 500 }
    /// The first of them.
    static var firstSeed: UInt64 { number("LATCH_FIRST_SEED") ?? 1 }
}

@Suite("Simulation", .serialized)
struct SimulationTests {
    @Test("no seed breaks an invariant, and every cluster recovers (I1–I10, I12–I22)")
    func seeds() async throws {
        TrapReport.install()
        if let seed = Wish.seed { return try Simulation(seed: seed, mode: .printed).run() }
        let first = Wish.firstSeed
        let summary = await SeedRunner().run(seeds: first..<(first + Wish.seedCount), lanes: 2)
        for other in summary.failures.dropFirst() {
            print("seed \(other.seed): \(other.violation)")
        }
        if let failure = summary.failures.first { throw failure.shrunk() }
        #expect(summary.seeds == Int(Wish.seedCount))
        let missing = summary.marks.unreached
        print(
            "\(summary.seeds) seeds, \(summary.marks.turns) turns, \(summary.marks.commits) commits, "
                + "marks not reached: \(missing.map(\.name).joined(separator: ", "))")
        if Wish.seedCount >= 500 {
            #expect(missing.count * 10 <= Mark.allCases.count, "the generator grew soft")
        }
    }

    @Test(
        "the same seed twice is the same run (I21)",
        arguments: [1, 2, 3, 5, 8, 13, 21, 34] as [UInt64])
    func determinism(seed: UInt64) throws {
        let first = Simulation(seed: seed)
        try first.run()
        let second = Simulation(seed: seed, mode: .recent(60))
        try second.run()
        #expect(first.trace.hash == second.trace.hash)
        #expect(first.marks.turns == second.marks.turns)
    }

    @Test("seeds that are kept because they failed pass (Kept.txt)")
    func kept() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Kept.txt")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }
        #expect(!lines.isEmpty)
        for line in lines {
            let parts = line.split(separator: "|", maxSplits: 3).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            try #require(parts.count == 4, "\(line)")
            let seed = try #require(UInt64(parts[0]), "\(line)")
            let mask = try #require(SwarmMask(parts[1]), "\(line)")
            do {
                try Simulation(seed: seed, mask: mask).run()
            } catch {
                Issue.record("\(line): \(error)")
            }
        }
    }

    @Test("a mask is written and read alike")
    func masks() throws {
        for text in ["none", "loss,crash", "clients=1,ms=400", "delay,retire,clients=2"] {
            let mask = try #require(SwarmMask(text))
            #expect(SwarmMask(mask.description) == mask)
        }
        #expect(SwarmMask("rain") == nil)
    }
}
