import Logging

/// How a log event becomes one line. Pure: the same event gives the same line.
enum LogFormat: String, Sendable, CaseIterable {
    /// `2026-03-01T12:00:00.123Z info    became leader server=1 term=3`
    case text
    /// One JSON object a line with `time`, `level`, `message` and the metadata under `fields`.
    case json

    /// A value longer than this is cut, with `…` in its place: no client can flood a line.
    static let longestValue = 2_048

    /// One line without its line feed. `milliseconds` are since 1970, UTC.
    func line(
        milliseconds: Int64, level: Logger.Level, message: String, metadata: Logger.Metadata
    ) -> String {
        let time = Self.timestamp(milliseconds: milliseconds)
        let fields = metadata.sorted { $0.key < $1.key }
        switch self {
        case .text:
            let name = level.rawValue.padding(toCount: 8)
            let pairs = fields.map { " \(Self.word($0.key))=\(Self.word(Self.plain($0.value)))" }
            return "\(time) \(name) \(Self.escaped(Self.cut(message)))\(pairs.joined())"
        case .json:
            let pairs = fields.map { "\(Self.jsonText($0.key)):\(Self.json($0.value))" }
            return "{\"time\":\"\(time)\",\"level\":\"\(level.rawValue)\","
                + "\"message\":\(Self.jsonText(message)),\"fields\":{\(pairs.joined(separator: ","))}}"
        }
    }

    /// Makes every scalar visible that could end a line, move a cursor or reorder text.
    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isUnprintable) else { return text }
        var escaped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            guard isUnprintable(scalar) else {
                escaped.append(scalar)
                continue
            }
            switch scalar {
            case "\n": escaped.append(contentsOf: "\\n".unicodeScalars)
            case "\r": escaped.append(contentsOf: "\\r".unicodeScalars)
            case "\t": escaped.append(contentsOf: "\\t".unicodeScalars)
            case _:
                let code = "\\u{\(String(scalar.value, radix: 16))}"
                escaped.append(contentsOf: code.unicodeScalars)
            }
        }
        return String(escaped)
    }

    private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7F }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
            return true
        // default: open set, Unicode may add categories
        default: return false
        }
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > longestValue else { return text }
        return String(decoding: text.utf8.prefix(longestValue), as: UTF8.self) + "…"
    }

    /// A word of logfmt: in quotes where spaces, quotes or `=` would make it ambiguous.
    private static func word(_ text: String) -> String {
        let escaped = escaped(cut(text))
        guard escaped.isEmpty || escaped.contains(where: { " \"=\\".contains($0) }) else {
            return escaped
        }
        return jsonText(text)
    }

    private static func plain(_ value: Logger.Metadata.Value) -> String {
        switch value {
        case .string(let text): text
        case .stringConvertible(let thing): thing.description
        case .array(let values): "[" + values.map(plain).joined(separator: ",") + "]"
        case .dictionary(let values):
            "{"
                + values.sorted { $0.key < $1.key }.map { "\($0.key):\(plain($0.value))" }
                .joined(separator: ",") + "}"
        }
    }

    private static func json(_ value: Logger.Metadata.Value) -> String {
        switch value {
        case .string(let text): jsonText(text)
        case .stringConvertible(let thing): jsonText(thing.description)
        case .array(let values): "[" + values.map(json).joined(separator: ",") + "]"
        case .dictionary(let values):
            "{"
                + values.sorted { $0.key < $1.key }.map { "\(jsonText($0.key)):\(json($0.value))" }
                .joined(separator: ",") + "}"
        }
    }

    /// A JSON string, cut like every value, plain ASCII escapes for what is unprintable.
    static func jsonText(_ text: String) -> String {
        var quoted = String.UnicodeScalarView("\"".unicodeScalars)
        for scalar in cut(text).unicodeScalars {
            switch scalar {
            case "\"": quoted.append(contentsOf: "\\\"".unicodeScalars)
            case "\\": quoted.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": quoted.append(contentsOf: "\\n".unicodeScalars)
            case "\r": quoted.append(contentsOf: "\\r".unicodeScalars)
            case "\t": quoted.append(contentsOf: "\\t".unicodeScalars)
            case _ where isUnprintable(scalar):
                for unit in UTF16.encode(scalar) ?? .init() {
                    let digits = String(unit, radix: 16)
                    let zeros = String(repeating: "0", count: 4 - digits.count)
                    quoted.append(contentsOf: "\\u\(zeros)\(digits)".unicodeScalars)
                }
            case _: quoted.append(scalar)
            }
        }
        quoted.append("\"")
        return String(quoted)
    }
}

extension String {
    /// Spaces added on the right up to a width.
    fileprivate func padding(toCount width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
