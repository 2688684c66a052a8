import ArgumentParser
import Chaos
import Foundation

/// Real `latchd`s under faults and load; ends with a verdict.
@main
struct LatchChaos: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latchchaos",
        abstract: "Faults and load on real nodes; every call is recorded and judged.",
        discussion: """
            Examples:
              latchchaos --latchd .build/release/latchd --minutes 5 --seed 7
              latchchaos --latchd .build/release/latchd --kills 300
              latchchaos --latchd .build/release/latchd --topologies 10
            The same seed does the same faults in the same order; real time is never the same.
            Exit code 0: good; 1: a promise was broken, or not decided, or a demand not met.
            """)

    @Option(help: "The latchd binary.")
    var latchd: String

    @Option(help: "Minutes of faults.")
    var minutes = 1.0

    @Option(help: "Decides the faults and the clients' choices; by default drawn.")
    var seed: UInt64?

    @Option(help: "How many nodes.")
    var nodes = 3

    @Option(help: "Comma separated; by default all: \(FaultKind.allNames).")
    var faults: String?

    @Option(help: "Where the history, timeline and logs of a failed run are kept.")
    var keep = "chaos-failures"

    @Option(help: "Cycles of kill -9 in place of the other faults.")
    var kills: Int?

    @Option(help: "Partial partitions: so many rounds of the twelve, in place of the faults.")
    var topologies: Int?

    @Flag(help: "A kind of fault that this machine cannot do makes the run bad.")
    var whole = false

    @Flag(help: "Print the timeline while it happens.")
    var verbose = false

    func validate() throws {
        guard FileManager.default.isExecutableFile(atPath: latchd) else {
            throw ValidationError("\(latchd) cannot be executed; build it with `make release`")
        }
        guard [3, 5, 7].contains(nodes) else { throw ValidationError("--nodes is 3, 5 or 7") }
        guard minutes > 0, (kills ?? 1) > 0, (topologies ?? 1) > 0 else {
            throw ValidationError("--minutes, --kills and --topologies are above 0")
        }
        _ = try chosenFaults()
    }

    func run() async throws {
        Interruption.exitOnSignals()
        let binary = URL(fileURLWithPath: latchd)
        if let topologies {
            let report = try await Topologies.run(
                latchd: binary, rounds: topologies, prints: verbose)
            print(report)
            if !report.isGood { throw ExitCode(1) }
            return
        }
        let seed = seed ?? UInt64.random(in: 0..<1_000_000)
        var plan = ChaosRun.Plan(
            cluster: ChaosCluster.Settings(latchd: binary, size: nodes), seed: seed)
        plan.seconds = minutes * 60
        plan.kinds = try chosenFaults()
        plan.kills = kills
        plan.demandsAllKinds = whole
        // What latchd is to reach while nodes are killed one after the other.
        plan.leastAcknowledgedPerSecond = kills == nil ? nil : 500
        plan.keep = URL(fileURLWithPath: keep)
        plan.printsTimeline = verbose
        print("latchchaos: seed \(seed)")
        // Also into a file: who ends the run early wants to know it.
        fflush(nil)
        let report = try await ChaosRun.run(plan)
        print(report)
        if !report.isGood { throw ExitCode(1) }
    }

    private func chosenFaults() throws -> [FaultKind] {
        guard let faults else { return FaultKind.allCases }
        return try faults.split(separator: ",").map { name in
            guard let kind = FaultKind(rawValue: String(name)) else {
                throw ValidationError("no fault \(name); there are: \(FaultKind.allNames)")
            }
            return kind
        }
    }
}

extension FaultKind {
    static var allNames: String { allCases.map(\.rawValue).joined(separator: ",") }
}
