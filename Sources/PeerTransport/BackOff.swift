package import NIOCore

/// How long to wait before the next attempt: doubling, bounded, with jitter.
package struct BackOff: Sendable {
    private let first: TimeAmount
    private let longest: TimeAmount

    package init(first: TimeAmount, longest: TimeAmount) {
        self.first = first
        self.longest = longest
    }

    /// The delay after `failures` failed attempts in a row; `jitter` is from 0 (half) to 1 (full).
    package func delay(afterFailures failures: Int, jitter: Double) -> TimeAmount {
        guard failures > 0 else { return .zero }
        // 2^20 times any sensible first delay is over any sensible bound.
        let factor = Int64(1) << Int64(min(failures - 1, 20))
        let (product, overflow) = first.nanoseconds.multipliedReportingOverflow(by: factor)
        let full = overflow ? longest.nanoseconds : min(product, longest.nanoseconds)
        return .nanoseconds(full / 2 + Int64(Double(full / 2) * min(max(jitter, 0), 1)))
    }
}
