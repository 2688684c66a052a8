import Foundation
import RaftSimulation
import Synchronization

/// Long runs of the simulator, and single seeds with their whole story.
@main
struct Main {
    private let wishes: Wishes

    static func main() async {
        guard let wishes = Wishes(CommandLine.arguments.dropFirst()) else {
            print(Wishes.usage)
            exit(64)
        }
        exit(await Main(wishes: wishes).run())
    }

    private func run() async -> Int32 {
        TrapReport.install()
        if let seed = wishes.shrink { return shrink(seed) }
        if let seed = wishes.seed { return tell(seed) }
        return await runMany()
    }

    // MARK: One seed

    private func tell(_ seed: UInt64) -> Int32 {
        TrapReport.note(seed: seed, lane: 0)
        let simulation = Simulation(seed: seed, mode: .printed, mask: wishes.mask)
        do throws(Violation) {
            try simulation.run()
            print("seed \(seed) passes, trace \(String(simulation.trace.hash, radix: 16))")
            return 0
        } catch {
            return report(error, seed)
        }
    }

    /// Each world is run by a process of its own: a `precondition` ends that one only.
    private func shrink(_ seed: UInt64) -> Int32 {
        guard let failure = failure(of: seed, wishes.mask) else {
            print("seed \(seed) passes: nothing to shrink")
            return 0
        }
        let smallest = wishes.mask.shrunk { self.failure(of: seed, $0) == failure }
        print("in the smallest world found: latchsim --seed \(seed) --without \(smallest)")
        print("to keep it, Tests/SimulationTests/Kept.txt: \(seed) | \(smallest) | - | its cause")
        print(failure)
        return 1
    }

    /// How a seed fails in a world: the line that names the violation, or the trap's own name; nil
    /// if it passes.
    private func failure(of seed: UInt64, _ mask: SwarmMask) -> String? {
        let process = Process()
        process.executableURL = Bundle.main.executableURL
        process.arguments = ["--seed", "\(seed)", "--without", mask.description]
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return "cannot be run: \(error)" }
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        if process.terminationReason == .uncaughtSignal {
            return "violation: trap \(process.terminationStatus) seed \(seed)"
        }
        return process.terminationStatus == 0
            ? nil : text.split(separator: "\n").last.map(String.init)
    }

    /// The last line, for scripts.
    private func report(_ violation: Violation, _ seed: UInt64) -> Int32 {
        print(violation)
        print("violation: \(violation.invariant) seed \(seed)")
        return 1
    }

    // MARK: Many seeds

    private func runMany() async -> Int32 {
        let progress = Progress(total: wishes.seeds, isQuiet: wishes.isQuiet)
        let runner = SeedRunner(failureLimit: 1) { progress.note() }
        let range = wishes.first..<(wishes.first + wishes.seeds)
        let summary = await runner.run(seeds: range, lanes: wishes.threads)
        progress.finish()
        print(
            "\(summary.seeds) seeds, \(summary.marks.events) events, \(summary.marks.turns) turns, "
                + "\(summary.marks.commits) commits, \(summary.marks.operations) operations, "
                + "\(summary.marks.undecidedHistories) undecided histories, "
                + "traces \(String(summary.hash, radix: 16))")
        print(
            "\(summary.marks.latches) latches, \(summary.marks.searchedLatches) searched whole, of "
                + "\(summary.marks.searchedBeginnings) the beginning")
        tell(summary.marks, seeds: summary.seeds)
        guard let failure = summary.failures.first else {
            guard let weakness = summary.marks.weakness(of: summary.seeds) else { return 0 }
            print("no violation, but \(weakness): this proves too little")
            return 1
        }
        print(wishes.isQuiet ? "\(failure.violation)" : "\(failure.shrunk())")
        print("reproduce: \(failure.command)")
        return report(failure.violation, failure.seed)
    }

    private func tell(_ marks: Marks, seeds: Int) {
        let all = Mark.allCases
        if wishes.areMarksWanted {
            for mark in all {
                let share = String(
                    format: "%6.2f %%", 100 * Double(marks.seedCount(mark)) / Double(max(seeds, 1)))
                let times = String(format: "%12d", marks.count(mark))
                print("\(share) of seeds \(times) times  \(mark.name)")
            }
        }
        let unreached = marks.unreached
        print("marks reached: \(all.count - unreached.count) of \(all.count)", terminator: "")
        print(unreached.isEmpty ? "" : "; not: " + unreached.map(\.name).joined(separator: ", "))
    }
}

/// Prints how far a long run is, every few seconds.
private final class Progress: Sendable {
    private let done = Atomic<UInt64>(0)
    private let total: UInt64
    private let isQuiet: Bool
    private let start = ContinuousClock.now
    private let nextLine = Mutex(ContinuousClock.now + .seconds(5))

    init(total: UInt64, isQuiet: Bool) {
        self.total = total
        self.isQuiet = isQuiet
    }

    func note() {
        let count = done.wrappingAdd(1, ordering: .relaxed).newValue
        guard !isQuiet else { return }
        let isDue = nextLine.withLock { next in
            guard ContinuousClock.now >= next else { return false }
            next = ContinuousClock.now + .seconds(5)
            return true
        }
        if isDue { tell(count) }
    }

    func finish() { tell(done.load(ordering: .relaxed)) }

    private func tell(_ count: UInt64) {
        let seconds =
            Double((ContinuousClock.now - start).components.seconds)
            + Double((ContinuousClock.now - start).components.attoseconds) / 1e18
        let rate = String(format: "%.1f", Double(count) / max(seconds, 0.001))
        print("\(count) of \(total) seeds, \(rate) seeds/s")
        fflush(nil)
    }
}
