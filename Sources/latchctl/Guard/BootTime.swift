import Foundation

/// A moment on the clock that counts from the machine's start and goes on while it is suspended.
/// It is the same for all processes of the machine.
struct BootTime: Hashable, Comparable, Sendable {
    let nanoseconds: Int64

    static func < (left: BootTime, right: BootTime) -> Bool { left.nanoseconds < right.nanoseconds }

    static func + (moment: BootTime, span: Duration) -> BootTime {
        BootTime(nanoseconds: moment.nanoseconds &+ span.nanoseconds)
    }

    static func - (moment: BootTime, span: Duration) -> BootTime {
        BootTime(nanoseconds: moment.nanoseconds &- span.nanoseconds)
    }

    static func - (later: BootTime, earlier: BootTime) -> Duration {
        .nanoseconds(later.nanoseconds &- earlier.nanoseconds)
    }

    /// Now.
    static var now: BootTime {
        #if canImport(Darwin)
        let clock = CLOCK_MONOTONIC_RAW
        #else
        let clock = CLOCK_BOOTTIME
        #endif
        var time = timespec()
        clock_gettime(clock, &time)
        return BootTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The same moment as `instant`, or an earlier one: this clock is read first, so that a pause
    /// between the two readings makes the answer earlier, never later.
    init(noLaterThan instant: ContinuousClock.Instant) {
        let base = BootTime.now
        self = base + (instant - ContinuousClock().now)
    }

    init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }
}

extension Duration {
    /// Whole nanoseconds, saturating: a thousand years are enough.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let bound: Int64 = 9_000_000_000
        if seconds > bound { return bound * 1_000_000_000 }
        if seconds < -bound { return -bound * 1_000_000_000 }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
