import Chaos
import ClusterHarness
import Foundation
import HistoryChecker
import LocalMachine
import Testing

/// `LATCH_SEED` makes the same faults again; a failed run's history and timeline are kept in
/// `LATCH_CHAOS_KEEP`, or in a temporary folder that the failure names.
@Suite("Real nodes under faults, in short", .serialized)
struct ShortChaosTests {
    private let latchd = BuiltPrograms.latchd
    private let seed =
        ProcessInfo.processInfo.environment["LATCH_SEED"].flatMap { UInt64($0) }
        ?? UInt64.random(in: 0..<1_000_000)

    init() { Interruption.exitOnSignals() }

    private func plan(seconds: Double) -> ChaosRun.Plan {
        var plan = ChaosRun.Plan(cluster: .init(latchd: latchd), seed: seed)
        plan.seconds = seconds
        let folder = ProcessInfo.processInfo.environment["LATCH_CHAOS_KEEP"]
        plan.keep =
            folder.map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("latchd-chaos-kept")
        // A debug build shares two cores with the other tests.
        plan.mix.privateWorkers = 12
        return plan
    }

    @Test("every fault that this machine can do: the history is linearizable, and all heals")
    func allFaults() async throws {
        let report = try await ChaosRun.run(plan(seconds: 70))
        print(report)
        #expect(report.isGood, "LATCH_SEED=\(seed)\n\(report)")
        #expect(report.figures.acknowledged > 1_000)
        #expect(report.done.count >= 12)
        for verb in ["join", "leave", "hand-over", "publish", "evict", "delete"] {
            #expect(report.figures.done[verb] ?? 0 > 0, "\(verb)")
        }
    }

    @Test("cycles of kill -9 lose nothing that was acknowledged")
    func kills() async throws {
        var plan = plan(seconds: 0)
        plan.kills = 10
        let report = try await ChaosRun.run(plan)
        print(report)
        #expect(report.isGood, "LATCH_SEED=\(seed)\n\(report)")
        #expect(report.killCycles == 10)
    }

    @Test("under a bridge and a leader that is not heard, another leads soon and terms rest")
    func topologies() async throws {
        let chosen = [1, 4].map { Topology.all[$0] }
        let report = try await Topologies.run(
            latchd: latchd, rounds: 1, topologies: chosen, settle: .seconds(3))
        print(report)
        // The time until a leader serves is measured by `latchchaos --topologies`, on a quiet
        // machine with a release build; here only that it comes, and that terms rest.
        #expect(report.problems == [])
        #expect(report.results.count == 2)
        #expect(report.results.allSatisfy { $0.untilLeader != nil && $0.termChanges <= 1 })
    }

    @Test("there are twelve topologies, each with a name of its own")
    func topologyTable() {
        #expect(Topology.all.count == 12)
        #expect(Set(Topology.all.map(\.name)).count == 12)
    }
}
