package import HistoryChecker

/// Whether the checker accuses a run's own history once it is damaged.
package struct SelfCheck: Sendable, CustomStringConvertible {
    package let accused: [Damage]
    /// Damages that the checker did not see.
    package let missed: [Damage]
    /// Damages for which the history has no place.
    package let impossible: [Damage]

    package init(of history: [ClientOperation], budget: Budget) {
        var (accused, missed, impossible): ([Damage], [Damage], [Damage]) = ([], [], [])
        for damage in Damage.allCases {
            guard let damaged = damage.done(to: history) else {
                impossible.append(damage)
                continue
            }
            if HistoryChecker.check(damaged, budget: budget).isViolation {
                accused.append(damage)
            } else {
                missed.append(damage)
            }
        }
        (self.accused, self.missed, self.impossible) = (accused, missed, impossible)
    }

    package var description: String {
        let names = { (damages: [Damage]) in damages.map(\.rawValue).joined(separator: ", ") }
        let count = accused.count + missed.count
        return "self-check: \(accused.count) of \(count) deliberate damages of this history accused"
            + (missed.isEmpty ? "" : "; MISSED: \(names(missed))")
            + (impossible.isEmpty ? "" : "; no place for: \(names(impossible))")
    }
}
