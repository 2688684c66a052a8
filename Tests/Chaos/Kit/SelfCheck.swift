package import HistoryChecker

/// Whether the checker accuses a run's own history once it is damaged.
package struct SelfCheck: Sendable, CustomStringConvertible {
    package let accused: [Damage]
    /// Damages that the checker did not see.
    package let missed: [Damage]
    /// Damages that the checker could not decide within its budget.
    package let undecided: [Damage]
    /// Damages for which the history has no place.
    package let impossible: [Damage]

    package init(of history: [ClientOperation], budget: Budget) {
        var (accused, missed): ([Damage], [Damage]) = ([], [])
        var (undecided, impossible): ([Damage], [Damage]) = ([], [])
        for damage in Damage.allCases {
            guard let damaged = damage.done(to: history) else {
                impossible.append(damage)
                continue
            }
            switch HistoryChecker.check(damaged, budget: budget) {
            case .violation: accused.append(damage)
            case .undecided: undecided.append(damage)
            case .linearizable: missed.append(damage)
            }
        }
        (self.accused, self.missed) = (accused, missed)
        (self.undecided, self.impossible) = (undecided, impossible)
    }

    package var description: String {
        let names = { (damages: [Damage]) in damages.map(\.rawValue).joined(separator: ", ") }
        let count = accused.count + missed.count + undecided.count
        return "self-check: \(accused.count) of \(count) deliberate damages of this history accused"
            + (missed.isEmpty ? "" : "; MISSED: \(names(missed))")
            + (undecided.isEmpty ? "" : "; undecided: \(names(undecided))")
            + (impossible.isEmpty ? "" : "; no place for: \(names(impossible))")
    }
}
