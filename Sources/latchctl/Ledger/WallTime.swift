import Foundation

/// A moment on a wall clock, since 1970.
struct WallTime: Hashable, Comparable {
    let sinceEpoch: Duration

    static var now: WallTime {
        WallTime(sinceEpoch: .milliseconds(Int64(Date().timeIntervalSince1970 * 1_000)))
    }

    init(sinceEpoch: Duration) { self.sinceEpoch = sinceEpoch }

    /// nil where the time is not known.
    init?(_ sinceEpoch: Duration?) {
        guard let sinceEpoch else { return nil }
        self.sinceEpoch = sinceEpoch
    }

    static func < (left: WallTime, right: WallTime) -> Bool { left.sinceEpoch < right.sinceEpoch }

    /// Never less than zero: clocks are set.
    func since(_ earlier: WallTime) -> Duration { max(.zero, sinceEpoch - earlier.sinceEpoch) }

    /// `12:03:07` on the day of `now`, else with the date.
    func text(seenAt now: WallTime) -> String {
        let (own, other) = (fields, now.fields)
        let time =
            Self.digits(own.tm_hour) + ":" + Self.digits(own.tm_min) + ":"
            + Self.digits(own.tm_sec)
        if own.tm_year == other.tm_year, own.tm_yday == other.tm_yday { return time }
        return
            "\(own.tm_year + 1900)-\(Self.digits(own.tm_mon + 1))-\(Self.digits(own.tm_mday)) \(time)"
    }

    private var fields: tm {
        var seconds = time_t(sinceEpoch.components.seconds)
        var fields = tm()
        localtime_r(&seconds, &fields)
        return fields
    }

    private static func digits(_ number: Int32) -> String {
        number < 10 ? "0\(number)" : String(number)
    }
}
