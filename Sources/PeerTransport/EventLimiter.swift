package import NIOCore
package import RaftCore

/// Lets a hostile peer produce only so many events: for each server (and for all strangers
/// together) a burst, then one each interval, which tells how many were left out.
package struct EventLimiter {
    private struct Budget {
        var tokens: Int
        var refilledAt: NIODeadline
        var suppressed = 0
    }

    private let burst: Int
    private let interval: TimeAmount
    /// Keyed by members or nil only, so its size is bounded.
    private var budgets: [ServerID?: Budget] = [:]

    package init(burst: Int = 5, interval: TimeAmount = .seconds(1)) {
        self.burst = burst
        self.interval = interval
    }

    /// The text to report, or nil to stay silent. `server` must be a member or nil.
    package mutating func admit(
        _ reason: String, about server: ServerID?, at now: NIODeadline
    ) -> String? {
        var budget = budgets[server] ?? Budget(tokens: burst, refilledAt: now)
        let intervals = (now - budget.refilledAt).nanoseconds / max(interval.nanoseconds, 1)
        if intervals > 0 {
            budget.tokens = min(burst, budget.tokens + Int(min(intervals, Int64(burst))))
            budget.refilledAt = now
        }
        defer { budgets[server] = budget }
        guard budget.tokens > 0 else {
            budget.suppressed += 1
            return nil
        }
        budget.tokens -= 1
        defer { budget.suppressed = 0 }
        return budget.suppressed == 0
            ? reason : "\(reason) (and \(budget.suppressed) more before it)"
    }
}
