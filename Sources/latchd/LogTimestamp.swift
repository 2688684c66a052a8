import Foundation

/// Wall time in log lines, without locale, time zone or calendar of the machine (O12).
extension LogFormat {
    /// Now, in milliseconds since 1970: for people who read logs, and for nothing else.
    static func wallMilliseconds() -> Int64 {
        Int64((Date().timeIntervalSince1970 * 1_000).rounded(.down))
    }

    /// `2026-03-01T12:00:00.123Z` for milliseconds since 1970 in UTC.
    static func timestamp(milliseconds: Int64) -> String {
        // Years 0 to 9999, which is what the format can show.
        let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
        let days = floorDivide(clamped, 86_400_000)
        let rest = clamped - days * 86_400_000
        let (year, month, day) = civil(daysSince1970: days)
        let time = [rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60].map { digits($0, 2) }
        let date = "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))"
        return "\(date)T\(time.joined(separator: ":")).\(digits(rest % 1_000, 3))Z"
    }

    /// The Gregorian date of a day, by eras of 400 years that begin on 1 March.
    private static func civil(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = daysSince1970 + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : (value - divisor + 1) / divisor
    }

    private static func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}
