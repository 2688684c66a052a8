import Foundation

/// Runs seeds, and turns what goes wrong into a report that reproduces it.
package struct SeedRunner: Sendable {
    /// The result of many seeds.
    package struct Summary: Sendable {
        package var seeds = 0
        package var marks = Marks()
        /// All traces in one number, whatever the order in which the seeds ran.
        package var hash: UInt64 = 0
        /// Ascending by seed; each lane stops after a few.
        package var failures: [SeedFailure] = []
        package init() {}

        mutating func add(_ other: Summary) {
            seeds += other.seeds
            marks.add(other.marks)
            hash &+= other.hash
            failures += other.failures
        }
    }

    /// Failures a lane stops after.
    private let failureLimit: Int
    /// Called by each lane after each seed, on its thread.
    private let onSeed: @Sendable () -> Void

    package init(
        failureLimit: Int = 4, onSeed: @escaping @Sendable () -> Void = {}
    ) {
        self.failureLimit = failureLimit
        self.onSeed = onSeed
    }

    /// Runs `seeds` on as many threads as `lanes`; each stops after a few failures.
    package func run(seeds: Range<UInt64>, lanes: Int) async -> Summary {
        await withTaskGroup(of: Summary.self) { group in
            for lane in 0..<UInt64(lanes) {
                group.addTask { await runThread(lane, of: UInt64(lanes), seeds) }
            }
            var whole = Summary()
            for await part in group { whole.add(part) }
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
            let simulation = Simulation(seed: seed)
            do {
                try simulation.run()
            } catch {
                summary.failures.append(SeedFailure.replay(seed, error))
            }
            summary.marks.add(simulation.marks)
            summary.hash &+= simulation.trace.hash &* (2 * seed + 1)
            onSeed()
            if summary.failures.count == failureLimit { break }
        }
        TrapReport.forget(lane: Int(lane))
        return summary
    }
}

/// A seed that broke an invariant, with the end of its story.
package struct SeedFailure: Error, Sendable, CustomStringConvertible {
    package let seed: UInt64
    package let violation: Violation
    package let mask: SwarmMask
    package let lines: [String]

    package init(
        seed: UInt64, violation: Violation, mask: SwarmMask, lines: [String] = []
    ) {
        self.seed = seed
        self.violation = violation
        self.mask = mask
        self.lines = lines
    }

    /// Runs the seed once more, this time with a trace.
    static func replay(
        _ seed: UInt64, _ violation: Violation, mask: SwarmMask = SwarmMask()
    ) -> SeedFailure {
        let simulation = Simulation(seed: seed, mode: .recent(60), mask: mask)
        var found = violation
        do {
            try simulation.run()
            found = Violation(
                "I21 determinism", "seed \(seed) failed once and passed then: \(violation)")
        } catch {
            found = error
        }
        return SeedFailure(
            seed: seed, violation: found, mask: mask,
            lines: Array(simulation.trace.lines.suffix(60)))
    }

    /// The smallest world found in which the seed breaks the same invariant.
    package func shrunk() -> SeedFailure {
        let smallest = mask.shrunk { candidate in
            do throws(Violation) {
                try Simulation(seed: seed, mask: candidate).run()
                return false
            } catch {
                return error.invariant == violation.invariant
            }
        }
        return SeedFailure.replay(seed, violation, mask: smallest)
    }

    /// The command that shows the whole story.
    package var command: String {
        let without = mask == SwarmMask() ? "" : " --without \(mask)"
        return "latchsim --seed \(seed)\(without)"
    }

    package var description: String {
        lines.joined(separator: "\n")
            + "\n\(violation)\nReproduce it with the whole story:\n"
            + "  swift run -c release \(command)"
    }
}
