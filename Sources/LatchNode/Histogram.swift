/// Counts of values by size: how often, how much in all, and in which of a few fixed buckets.
///
/// A plain value for the thread that owns it: recording takes no lock and makes no garbage. Whoever
/// wants to look is given a copy.
package struct Histogram: Sendable, Equatable {
    /// The buckets' upper bounds, ascending; a value equal to a bound belongs to its bucket.
    package let bounds: [UInt64]
    /// How many values each bucket holds; one more than `bounds`, for what is beyond the last.
    package private(set) var counts: [UInt64]
    /// All values together. It wraps after 2⁶⁴.
    package private(set) var sum: UInt64 = 0
    /// The largest value so far; 0 before the first.
    package private(set) var largest: UInt64 = 0

    /// An empty histogram with these upper bounds, which ascend.
    package init(bounds: [UInt64]) {
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    /// How many values were recorded.
    package var count: UInt64 { counts.reduce(0, &+) }

    /// Adds one value. O(number of buckets), which is small.
    package mutating func record(_ value: UInt64) {
        var bucket = 0
        while bucket < bounds.count, value > bounds[bucket] { bucket &+= 1 }
        counts[bucket] &+= 1
        sum &+= value
        largest = max(largest, value)
    }

    /// An upper bound of the value that `share` (0 to 1) of all values do not exceed; nil while
    /// there are none. Beyond the last bound it is the largest value.
    package func quantile(_ share: Double) -> UInt64? {
        let count = count
        guard count > 0 else { return nil }
        let wanted = max(1, (share * Double(count)).rounded(.up))
        var seen: UInt64 = 0
        for (bucket, bound) in bounds.enumerated() {
            seen &+= counts[bucket]
            if Double(seen) >= wanted { return min(bound, largest) }
        }
        return largest
    }
}

extension Histogram {
    /// Buckets for times from 50 µs to 5 s, in nanoseconds: disks, calls, turns of a loop.
    package static let nanosecondBounds: [UInt64] = [
        50_000, 100_000, 250_000, 500_000,
        1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000,
        100_000_000, 250_000_000, 500_000_000,
        1_000_000_000, 2_500_000_000, 5_000_000_000,
    ]

    /// Buckets for times from 1 ms to 5 min, in milliseconds: failovers.
    package static let millisecondBounds: [UInt64] = [
        1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
    ]

    /// Buckets for numbers of things done at once.
    package static let sizeBounds: [UInt64] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096]
}
