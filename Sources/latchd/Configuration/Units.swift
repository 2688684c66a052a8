/// Durations and sizes as the configuration spells them: a whole number and a unit, no space.
enum Units {
    static let durations = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
    static let sizes = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]

    /// Why a text is no quantity, in words that follow the quoted text.
    struct Misspelling: Error, Equatable {
        var message: String
    }

    /// Milliseconds. Throws for a missing or unknown unit and for numbers beyond reason.
    static func milliseconds(_ text: String) throws(Misspelling) -> Int {
        try quantity(text, units: durations, kind: "a duration", examples: "50ms, 10s, 2m or 1h")
    }

    /// Bytes. Throws like `milliseconds(_:)`.
    static func bytes(_ text: String) throws(Misspelling) -> Int {
        try quantity(text, units: sizes, kind: "a size", examples: "512B, 16KiB, 64MiB or 1GiB")
    }

    /// The shortest exact spelling: `90000` is `90s`, `120000` is `2m`.
    static func spell(milliseconds: Int) -> String { spell(milliseconds, durations) }

    /// The shortest exact spelling: `16384` is `16KiB`.
    static func spell(bytes: Int) -> String { spell(bytes, sizes) }

    private static func quantity(
        _ text: String, units: [(String, Int)], kind: String, examples: String
    ) throws(Misspelling) -> Int {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard !digits.isEmpty else {
            throw Misspelling(
                message:
                    "\(quoted(text)) is not \(kind). Write a whole number and a unit: \(examples).")
        }
        guard !unit.isEmpty else {
            let choices = units.map { "\(digits)\($0.0)" }
            throw Misspelling(
                message:
                    "\(quoted(text)) has no unit. Write \(orList(choices)), whichever is meant.")
        }
        guard let factor = units.first(where: { $0.0 == unit })?.1 else {
            throw Misspelling(
                message:
                    "\(quoted(text)) is not \(kind). Write a whole number and a unit: \(examples).")
        }
        let number = Int(digits).map { $0.multipliedReportingOverflow(by: factor) }
        guard let number, !number.overflow else {
            throw Misspelling(message: "\(quoted(text)) is far too large.")
        }
        return number.partialValue
    }

    private static func spell(_ amount: Int, _ units: [(String, Int)]) -> String {
        let fitting = units.last { amount != 0 && amount % $0.1 == 0 } ?? units[0]
        return "\(amount / fitting.1)\(fitting.0)"
    }
}

/// `a, b or c`.
func orList(_ words: [String]) -> String {
    guard words.count > 1, let last = words.last else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}

/// A foreign text in quotes, shortened, with everything unprintable escaped.
func quoted(_ text: String) -> String {
    let short = String(text.unicodeScalars.prefix(80).map(Character.init))
    let ellipsis = text.unicodeScalars.count > 80 ? "…" : ""
    return "\"\(LogFormat.escaped(short))\(ellipsis)\""
}
