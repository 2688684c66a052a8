import ClusterHarness
package import Foundation
import HistoryChecker

/// A whole run: cluster, clients, faults, healing, judgement.
package struct ChaosRun: Sendable {
    /// What decides a run.
    package struct Plan: Sendable {
        package var cluster: ChaosCluster.Settings
        package var seed: UInt64
        package var seconds: Double = 60
        package var kinds: [FaultKind] = FaultKind.allCases
        /// So many cycles of kill -9 in place of the nemesis; nil: the nemesis.
        package var kills: Int?
        package var mix = ChaosClients.Mix()
        /// Fewer acknowledged calls a second make the run bad; nil: any number is good.
        package var leastAcknowledgedPerSecond: Int?
        /// A kind of fault that this machine cannot do makes the run bad.
        package var demandsAllKinds = false
        /// Where the history, the timeline and the logs of a failed run are kept.
        package var keep: URL?
        package var printsTimeline = false
        /// The clients' clock is the cluster's; what a session may end early is rounding to
        /// milliseconds.
        package var expiryTolerance: UInt64 = 2_000_000

        package init(cluster: ChaosCluster.Settings, seed: UInt64) {
            self.cluster = cluster
            self.seed = seed
        }

        /// What it demands beside kept promises, and did not get.
        package func shortfalls(acknowledgedPerSecond rate: Int, skipped: [String]) -> [String] {
            var shortfalls: [String] = []
            if demandsAllKinds, !skipped.isEmpty {
                shortfalls.append(
                    "\(skipped.count) kinds of faults were skipped, and the whole was demanded")
            }
            if let least = leastAcknowledgedPerSecond, rate < least {
                shortfalls.append("\(rate) acknowledged calls a second; demanded are \(least)")
            }
            return shortfalls
        }
    }

    private let plan: Plan
    private let timeline: Timeline
    private let recorder = Recorder()
    private let observer: Observer

    private init(_ plan: Plan) {
        self.plan = plan
        timeline = Timeline(prints: plan.printsTimeline)
        observer = Observer(timeline)
    }

    package static func run(_ plan: Plan) async throws -> ChaosReport {
        try await ChaosRun(plan).run()
    }

    private func run() async throws -> ChaosReport {
        let keep = plan.keep.map { $0.appendingPathComponent("seed-\(plan.seed)") }
        var settings = plan.cluster
        if plan.kinds.contains(.fullDisk), plan.kills == nil { settings.smallDiskMegabytes = 64 }
        return try await ChaosCluster.with(settings, keep: keep) { cluster in
            let (kinds, skipped) = await Self.possible(plan.kinds, on: cluster)
            if plan.kills == nil { for line in skipped { timeline.note(line) } }
            let nemesis = Nemesis(
                cluster, observer, timeline, kinds: kinds,
                electionTimeout: settings.electionTimeoutMilliseconds, seed: plan.seed)
            var problems: [String] = []
            let began = ContinuousClock.now
            var cycles = 0
            var working = Duration.zero
            try await observer.watching(cluster, recorder: recorder) {
                cycles = try await work(cluster, nemesis, &problems)
                working = ContinuousClock.now - began
                problems += await Ending(cluster, recorder, timeline).demand()
            }
            problems += observer.violations
            let left = plan.kills == nil ? skipped : []
            problems += plan.shortfalls(
                acknowledgedPerSecond: recorder.figures.acknowledgedPerSecond(over: working),
                skipped: left)
            let report = judge(nemesis, skipped: left, cycles, working, problems)
            if !report.isGood, let keep {
                try save(report, in: keep)
                await cluster.keepLogs(in: keep)
            }
            return report
        }
    }

    private func work(
        _ cluster: ChaosCluster, _ nemesis: Nemesis, _ problems: inout [String]
    ) async throws -> Int {
        let endpoints = await cluster.endpoints
        return try await ChaosClients.run(
            through: endpoints, recorder: recorder, mix: plan.mix, seed: plan.seed
        ) { _ in
            _ = try await eventually("the first acknowledged calls") {
                recorder.acknowledged > 100 ? true : nil
            }
            timeline.note("clients: at work")
            var cycles = 0
            do {
                if let kills = plan.kills {
                    try await nemesis.killCycles(kills, recorder) { cycles = $0 }
                } else {
                    try await nemesis.run(until: .now + .seconds(plan.seconds))
                }
            } catch let error where error is AtExit.IsEnding || error is CancellationError {
                throw error
            } catch {
                // The run ends early, but what was recorded until then is judged.
                timeline.note("VIOLATION: \(error)")
                problems.append("liveness: \(error)")
            }
            try await nemesis.heal()
            let before = recorder.acknowledged
            do {
                _ = try await eventually("500 more acknowledged calls after healing") {
                    recorder.acknowledged > before + 500 ? true : nil
                }
            } catch {
                problems.append("liveness: \(error)")
            }
            return cycles
        }
    }

    /// Which faults this machine can do, and a line for each that it cannot.
    private static func possible(
        _ kinds: [FaultKind], on cluster: ChaosCluster
    ) async -> (kinds: [FaultKind], skipped: [String]) {
        var (possible, skipped): ([FaultKind], [String]) = ([], [])
        let hasSmallDisk = await !cluster.nodesWithSmallDisks.isEmpty
        for kind in kinds {
            if kind.needsShim, cluster.shim == nil {
                skipped.append(
                    "skipped: \(kind.rawValue) needs a C compiler (cc), and a latchd that loads"
                        + " what it makes")
            } else if kind == .fullDisk, !hasSmallDisk {
                skipped.append("skipped: \(kind.rawValue) needs root, to mount a tmpfs")
            } else {
                possible.append(kind)
            }
        }
        return (possible, skipped)
    }

    private func judge(
        _ nemesis: Nemesis, skipped: [String], _ cycles: Int, _ working: Duration,
        _ problems: [String]
    ) -> ChaosReport {
        let began = ContinuousClock.now
        let budget = Budget(expiryTolerance: plan.expiryTolerance)
        let verdict = HistoryChecker.check(recorder.history, budget: budget)
        let checking = ContinuousClock.now - began
        return ChaosReport(
            seed: plan.seed, figures: recorder.figures, working: working, done: nemesis.done,
            killCycles: cycles, skipped: skipped, diskEnds: nemesis.diskEnds,
            elections: observer.elections, terms: observer.highestTerm, verdict: verdict,
            checking: checking,
            selfCheck: SelfCheck(of: recorder.history, budget: budget), problems: problems)
    }

    private func save(_ report: ChaosReport, in folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let history = HistoryText.encode(recorder.history)
        for (name, text) in [
            ("history.txt", history), ("timeline.txt", timeline.text),
            ("verdict.txt", report.description),
        ] {
            try text.write(
                to: folder.appendingPathComponent(name), atomically: true, encoding: .utf8)
        }
        print("kept in \(folder.path)")
    }
}
