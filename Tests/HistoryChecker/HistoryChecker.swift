/// Judges histories of latch and session operations, from what clients were told alone.
///
/// It knows the contract, not the product: it shares no code with it. Three layers, the cheapest
/// first: scans for single promises, whose failures read best; a replay in the order of the log
/// indexes (``WitnessReplay``); and a search that trusts no index (``BlackBoxSearch``).
package enum HistoryChecker {
    /// Judges a whole history. The first broken claim ends the work.
    package static func check(
        _ history: [ClientOperation], budget: Budget = .standard
    ) -> Verdict {
        let deadline = ContinuousClock.now + budget.search
        let partitions = Partition.split(history, tolerance: budget.expiryTolerance)
        var statistics = Statistics()
        statistics.operations = history.count
        statistics.partitions = partitions.count
        if let report = scan(history, partitions) { return .violation(report) }

        let times = TimeBounds(partitions)
        var undecided: [String] = []
        for partition in partitions {
            switch judge(partition, times, budget, deadline, &statistics) {
            case .explained:
                break
            case .broken(let layer, let claim, let positions):
                return .violation(report(layer, claim, positions, of: history))
            case .undecided(let reason):
                statistics.undecidedPartitions += 1
                undecided.append("latch \(HistoryText.quote(partition.latch)): \(reason)")
            }
        }
        return undecided.isEmpty ? .linearizable(statistics) : .undecided(undecided, statistics)
    }

    /// Layer 3 alone: nil if every promise holds.
    package static func scan(_ history: [ClientOperation], budget: Budget = .standard) -> Report? {
        scan(history, Partition.split(history, tolerance: budget.expiryTolerance))
    }

    private enum Judgement {
        case explained
        case broken(Report.Layer, claim: String, positions: [Int])
        case undecided(String)
    }

    private static func judge(
        _ partition: Partition, _ times: TimeBounds, _ budget: Budget,
        _ deadline: ContinuousClock.Instant, _ statistics: inout Statistics
    ) -> Judgement {
        var doubt: String?
        var replay = WitnessReplay(partition, times, budget)
        switch replay.run() {
        case .explained: break
        case .contradiction(let claim, let positions):
            return .broken(.witness, claim: claim, positions: positions)
        case .undecided(let reason): doubt = reason
        }
        guard let most = budget.searchedOperations, partition.steps.count <= most else {
            return doubt.map { .undecided($0) } ?? .explained
        }
        var search = BlackBoxSearch(partition, budget, deadline: deadline)
        let result = search.run()
        statistics.searchedNodes += search.visited
        if case .undecided = result {} else { statistics.searchedPartitions += 1 }
        switch result {
        case .explained: return doubt.map { .undecided($0) } ?? .explained
        case .contradiction(let claim, let positions):
            return .broken(.search, claim: claim, positions: positions)
        case .undecided(let reason): return .undecided("the search gave up: \(reason)")
        }
    }

    static func report(
        _ layer: Report.Layer, _ claim: String, _ positions: [Int], of history: [ClientOperation]
    ) -> Report {
        let operations = Set(positions).sorted().map { history[$0] }
            .sorted { ($0.invoked, $0.id) < ($1.invoked, $1.id) }
        return Report(layer: layer, claim: claim, operations: operations)
    }
}
