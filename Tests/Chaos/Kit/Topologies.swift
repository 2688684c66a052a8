import ClusterHarness
package import Foundation
import HistoryChecker

/// Partial partitions on real nodes: how long until a leader serves, and whether terms rest then.
package enum Topologies {
    /// One topology, once.
    package struct Result: Sendable {
        package let name: String
        /// From the partition to a leader with a connected quorum that acknowledged a new command;
        /// nil: none within ten seconds.
        package let untilLeader: Duration?
        /// Terms that passed once it was settled, and for how long that was looked at.
        package let termChanges: Int
        package let observed: Duration
    }

    package struct Report: Sendable, CustomStringConvertible {
        package let results: [Result]
        package let electionTimeout: Duration
        package let problems: [String]

        /// A leader within 5 T each time, and at most two term changes a minute of each topology.
        package var isGood: Bool {
            problems.isEmpty && results.allSatisfy { isInTime($0) } && names.allSatisfy(isCalm)
        }

        private var names: [String] {
            Topology.all.map(\.name).filter { name in results.contains { $0.name == name } }
        }

        private func isInTime(_ result: Result) -> Bool {
            result.untilLeader.map { $0 <= electionTimeout * 5 } ?? false
        }

        private func isCalm(_ name: String) -> Bool {
            let own = results.filter { $0.name == name }
            let changes = own.reduce(0) { $0 + $1.termChanges }
            let minutes = own.reduce(0.0) { $0 + $1.observed / .seconds(60) }
            // One change in a run shorter than half a minute is no rate.
            return Double(changes) <= max(1, 2 * minutes)
        }

        package var description: String {
            var lines = names.map { name in
                let own = results.filter { $0.name == name }
                let times = own.map { $0.untilLeader.map { Int($0 / .milliseconds(1)) } }
                let late = own.filter { !isInTime($0) }.count
                let known = times.compactMap { $0 }.sorted()
                let changes = own.reduce(0) { $0 + $1.termChanges }
                let observed = own.reduce(Duration.zero) { $0 + $1.observed }
                return
                    "  \(late == 0 && isCalm(name) ? "good" : "BAD ")  \(name): \(own.count) runs,"
                    + " leader after median \(known.isEmpty ? 0 : known[known.count / 2]) ms,"
                    + " most \(known.last ?? 0) ms, late or never \(late);"
                    + " \(changes) term changes in \(Int(observed / .seconds(1))) s"
            }
            lines += problems.map { "  PROBLEM: \($0)" }
            return (["topologies: \(isGood ? "GOOD" : "BAD")"] + lines).joined(separator: "\n")
        }
    }

    package static func run(
        latchd: URL, rounds: Int, topologies: [Topology] = Topology.all,
        settle: Duration = .seconds(5), prints: Bool = false
    ) async throws -> Report {
        var results: [Result] = []
        var problems: [String] = []
        var timeout = Duration.zero
        for size in Set(topologies.map(\.size)).sorted() {
            let settings = ChaosCluster.Settings(latchd: latchd, size: size)
            timeout = .milliseconds(settings.electionTimeoutMilliseconds)
            let timeline = Timeline(prints: prints)
            let observer = Observer(timeline)
            try await ChaosCluster.with(settings) { cluster in
                try await observer.watching(cluster, every: .milliseconds(20)) {
                    for _ in 0..<rounds {
                        for topology in topologies where topology.size == size {
                            results.append(
                                try await one(topology, cluster, observer, timeline, settle))
                        }
                    }
                }
            }
            problems += observer.violations
        }
        return Report(results: results, electionTimeout: timeout, problems: problems)
    }

    private static func one(
        _ topology: Topology, _ cluster: ChaosCluster, _ observer: Observer, _ timeline: Timeline,
        _ settle: Duration
    ) async throws -> Result {
        let leader = try await calm(cluster, observer)
        let order = [leader] + cluster.ids.filter { $0 != leader }
        timeline.note("topology: \(topology.name), leader \(leader)")
        let start = ContinuousClock.now
        let imposing = Task { try await impose(topology, order, cluster.net, since: start) }
        cluster.net.set(.silent, on: topology.silent(order, 0))
        let served = try? await eventually("a leader that serves", within: 10) {
            try await serves(topology, order, cluster, observer)
        }
        let untilLeader = served.map { $0 - start }
        timeline.note("topology: served after \(untilLeader.map { "\($0)" } ?? "never")")
        // Terms may still settle for one more timeout after the first leader.
        try await Task.sleep(for: .milliseconds(700))
        let (began, before) = (ContinuousClock.now, observer.highestTerm)
        try await Task.sleep(for: settle)
        let changes = Int(observer.highestTerm - before)
        imposing.cancel()
        _ = try? await imposing.value
        cluster.net.heal()
        return Result(
            name: topology.name, untilLeader: untilLeader, termChanges: changes,
            observed: ContinuousClock.now - began)
    }

    /// Waits until every node is ready and the same leader led for a second.
    private static func calm(_ cluster: ChaosCluster, _ observer: Observer) async throws -> Int {
        let ending = Ending(cluster, Recorder(), Timeline())
        let failures = await ending.demand()
        guard failures.isEmpty else { throw HarnessError(failures.joined(separator: "; ")) }
        return try await eventually("a leader that stays") {
            guard let first = observer.leader else { return nil }
            let term = observer.highestTerm
            try await Task.sleep(for: .seconds(1))
            return observer.leader == first && observer.highestTerm == term ? first : nil
        }
    }

    private static func impose(
        _ topology: Topology, _ order: [Int], _ net: FaultNet, since start: ContinuousClock.Instant
    ) async throws {
        var last: Set<Direction> = []
        while !Task.isCancelled {
            let time = Int((ContinuousClock.now - start) / .milliseconds(1))
            let silent = Set(topology.silent(order, time))
            net.set(.silent, on: silent.subtracting(last))
            net.set(.clear, on: last.subtracting(silent))
            last = silent
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// When a leader with a connected quorum acknowledged a new session; nil: not yet.
    private static func serves(
        _ topology: Topology, _ order: [Int], _ cluster: ChaosCluster, _ observer: Observer
    ) async throws -> ContinuousClock.Instant? {
        guard let leader = observer.leader,
            topology.flaps
                || Topology.canLead(leader, of: order, silent: topology.silent(order, 0))
        else { return nil }
        let endpoint = await cluster.ownEndpoint(of: leader)
        return try await NodeConnection.with(endpoint: endpoint) { connection in
            let attempt = AtomixAttempt(connection, timeout: .milliseconds(500))
            let header = ChaosClients.header("topology")
            _ = try await attempt.create(header, milliseconds: 1_000)
            return ContinuousClock.now
        }
    }
}
