package import HistoryChecker

/// The verdict on one run, for a person.
package struct ChaosReport: Sendable, CustomStringConvertible {
    package let seed: UInt64
    package let figures: Recorder.Figures
    /// How long clients worked.
    package let working: Duration
    package let done: [FaultKind: Int]
    package let killCycles: Int
    package let skipped: [String]
    /// How often a failing or full disk ended its node.
    package let diskEnds: Int
    package let elections: Int
    package let terms: UInt64
    package let verdict: Verdict
    package let checking: Duration
    package let selfCheck: SelfCheck
    /// Broken promises that the history does not show, and what the run's plan demands in vain.
    package let problems: [String]

    /// Nothing is broken, the checker accuses damages and overlooks none, and less than one
    /// partition in a thousand is undecided.
    package var isGood: Bool {
        guard selfCheck.missed.isEmpty, !selfCheck.accused.isEmpty else { return false }
        return switch verdict {
        case .linearizable: problems.isEmpty
        case .violation: false
        case .undecided(_, let statistics):
            problems.isEmpty && statistics.undecidedPerMillion < 1_000
        }
    }

    package var description: String {
        var lines = [
            "seed \(seed): \(isGood ? "GOOD" : "BAD")"
                + (skipped.isEmpty ? "" : ", WITHOUT \(skipped.count) kinds of faults: see below"),
            "  operations \(figures.operations), acknowledged \(figures.acknowledged)"
                + " (\(figures.acknowledgedPerSecond(over: working))/s), unknown outcome"
                + " \(Self.share(figures.unknown, figures.operations)),"
                + " refused \(Self.share(figures.refused, figures.operations))",
            "  elections \(elections), highest term \(terms), longest silence"
                + " \(figures.longestSilenceMilliseconds) ms",
            "  history: \(Self.text(verdict)), checked in \(Int(checking / .seconds(1))) s",
        ]
        lines.append("  done: " + Self.list(figures.done))
        lines.append("  \(selfCheck)")
        if killCycles > 0 { lines.append("  kill -9 cycles: \(killCycles)") }
        if !done.isEmpty {
            let counts = done.map { ($0.rawValue, $1) }
            lines.append("  faults: " + Self.list(Dictionary(uniqueKeysWithValues: counts)))
        }
        let diskFaults = (done[.failSync] ?? 0) + (done[.fullDisk] ?? 0)
        if diskFaults > 0 {
            lines.append(
                "  failing and full disks: \(diskFaults), of which \(diskEnds) ended the node")
        }
        lines += skipped.map { "  " + $0 }
        lines += problems.map { "  PROBLEM: " + $0 }
        if case .violation(let report) = verdict { lines.append("\(report)") }
        return lines.joined(separator: "\n")
    }

    private static func list(_ counts: [String: Int]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0) \($1)" }.joined(separator: ", ")
    }

    private static func text(_ verdict: Verdict) -> String {
        switch verdict {
        case .linearizable(let statistics):
            "linearizable, \(statistics.partitions) latches,"
                + " \(statistics.searchedPartitions) searched, 0 undecided"
        case .violation(let report): "VIOLATION: \(report.claim)"
        case .undecided(let reasons, let statistics):
            "\(statistics.undecidedPartitions) of \(statistics.partitions) latches undecided"
                + " (\(reasons.prefix(3).joined(separator: "; ")))"
        }
    }

    private static func share(_ part: Int, _ whole: Int) -> String {
        let thousandths = whole == 0 ? 0 : part * 100_000 / whole
        let fraction = String(thousandths % 1_000 + 1_000).dropFirst()
        return "\(part) (\(thousandths / 1_000).\(fraction) %)"
    }
}
