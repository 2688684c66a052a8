import Foundation

/// Runs seeds, and turns what goes wrong into a report that reproduces it.
package struct SeedRunner: Sendable {
    /// The result of many seeds.
    package struct Summary: Sendable {
        package var seeds = 0
        package var marks = Marks()
        /// Ascending by seed; each lane stops after a few.
        package var failures: [SeedFailure] = []
        package init() {}
    }

    private static let failureLimit = 4

    package init() {}

    /// Runs `seeds` on as many threads as `lanes`; each stops after a few failures.
    package func run(seeds: Range<UInt64>, lanes: Int) async -> Summary {
        await withTaskGroup(of: Summary.self) { group in
            for lane in 0..<UInt64(lanes) {
                group.addTask { await runThread(lane, of: UInt64(lanes), seeds) }
            }
            var whole = Summary()
            for await part in group {
                whole.seeds += part.seeds
                whole.marks.add(part.marks)
                whole.failures += part.failures
            }
            whole.failures.sort { $0.seed < $1.seed }
            return whole
        }
    }

    /// A thread of its own: the seeds must not hold up the tests that run on the shared pool
    /// meanwhile.
    private func runThread(
        _ lane: UInt64, of lanes: UInt64, _ seeds: Range<UInt64>
    ) async -> Summary {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                continuation.resume(returning: runLane(lane, of: lanes, seeds))
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    private func runLane(_ lane: UInt64, of lanes: UInt64, _ seeds: Range<UInt64>) -> Summary {
        var summary = Summary()
        for seed in seeds where seed % lanes == lane {
            TrapReport.note(seed: seed, lane: Int(lane))
            summary.seeds += 1
            var simulation = Simulation(seed: seed)
            do {
                try simulation.run()
                summary.marks.add(simulation.marks)
            } catch {
                summary.failures.append(SeedFailure.replay(seed, error))
                if summary.failures.count == SeedRunner.failureLimit { return summary }
            }
        }
        TrapReport.forget(lane: Int(lane))
        return summary
    }
}

/// A seed that broke an invariant, with the end of its story.
package struct SeedFailure: Error, Sendable, CustomStringConvertible {
    package let seed: UInt64
    package let violation: Violation
    package let lines: [String]

    /// Runs the seed once more, this time with a trace.
    static func replay(_ seed: UInt64, _ violation: Violation) -> SeedFailure {
        var simulation = Simulation(seed: seed, mode: .recent(60))
        var found = violation
        do {
            try simulation.run()
            found = Violation(
                "I21 determinism", "seed \(seed) failed once and passed then: \(violation)")
        } catch {
            found = error
        }
        return SeedFailure(
            seed: seed, violation: found, lines: simulation.trace.lines.suffix(60))
    }

    package var description: String {
        lines.joined(separator: "\n")
            + "\n\(violation)\nReproduce it with the whole story:\n"
            + "  LATCH_SEED=\(seed) swift test --filter SimulationTests"
    }
}
