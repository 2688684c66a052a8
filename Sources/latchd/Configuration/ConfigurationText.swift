/// Checks on the text itself, before a YAML parser sees it.
///
/// The configuration needs a small part of YAML. What could make the parser slow or its messages
/// obscure is refused here, with the reason.
enum ConfigurationText {
    /// A real file has a few kilobytes.
    static let maximumBytes = 64 << 10
    /// Brackets and braces that open, in the whole file: bounds the nesting of flow collections.
    static let maximumOpenBrackets = 256
    /// Aliases multiply what they name; below this count, not enough to matter.
    static let maximumAliasLike = 16

    /// The text of the file's bytes without a byte order mark, or nil when problems were found.
    static func check(_ bytes: [UInt8], problems: ProblemList) -> String? {
        guard bytes.count <= maximumBytes else {
            problems.add(
                "the file is larger than \(Units.spell(bytes: maximumBytes)); is this the right file?",
                at: .start, path: "")
            return nil
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            problems.add("not UTF-8 text.", at: positionOfBadByte(bytes), path: "")
            return nil
        }
        let text =
            decoded.unicodeScalars.first == "\u{FEFF}"
            ? String(decoded.unicodeScalars.dropFirst()) : decoded
        let before = problems.problems.count
        checkTabs(text, problems: problems)
        checkBombs(text, problems: problems)
        return problems.problems.count == before ? text : nil
    }

    private static func positionOfBadByte(_ bytes: [UInt8]) -> Position {
        // Decoding with repair puts U+FFFD where the bytes are bad; the first one is the place.
        position(in: String(decoding: bytes, as: UTF8.self).unicodeScalars) { $0 == "\u{FFFD}" }
    }

    /// The place of the first scalar that matches, or of the end.
    static func position(
        in scalars: String.UnicodeScalarView, of isMatch: (Unicode.Scalar) -> Bool
    ) -> Position {
        var position = Position.start
        for scalar in scalars {
            if isMatch(scalar) { return position }
            if scalar == "\n" {
                position = Position(line: position.line + 1, column: 1)
            } else {
                position.column += 1
            }
        }
        return position
    }

    private static func checkTabs(_ text: String, problems: ProblemList) {
        for (index, line) in text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false
        )
        .enumerated() {
            let indent = line.prefix { $0 == " " || $0 == "\t" }
            let first = line.dropFirst(indent.count).first
            guard let tab = indent.firstIndex(of: "\t"), let first, first != "#", first != "\r"
            else { continue }
            let column = line.distance(from: line.startIndex, to: tab) + 1
            problems.add(
                "a tab in the indentation. YAML indents with spaces only; replace the tab by spaces.",
                at: Position(line: index + 1, column: column), path: "")
        }
    }

    private static func checkBombs(_ text: String, problems: ProblemList) {
        var openBrackets = 0
        var aliasLike = 0
        var position = Position.start
        var previous: Unicode.Scalar = "\n"
        for scalar in text.unicodeScalars {
            if scalar == "[" || scalar == "{" { openBrackets += 1 }
            // "? " opens a complex key, which nests like a bracket.
            if previous == "?", scalar == " " { openBrackets += 1 }
            if previous == "*",
                scalar.properties.isAlphabetic || scalar.properties.numericType != nil
            {
                aliasLike += 1
            }
            if openBrackets > maximumOpenBrackets {
                problems.add(
                    "more than \(maximumOpenBrackets) brackets; a configuration needs a few.",
                    at: position, path: "")
                return
            }
            if aliasLike > maximumAliasLike {
                problems.add(
                    "more than \(maximumAliasLike) aliases (*name). Aliases are not supported; "
                        + "write the value out.",
                    at: position, path: "")
                return
            }
            previous = scalar
            position =
                scalar == "\n"
                ? Position(line: position.line + 1, column: 1)
                : Position(line: position.line, column: position.column + 1)
        }
    }
}
