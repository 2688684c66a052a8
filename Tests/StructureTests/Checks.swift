import Foundation

/// The checks, as functions from text to findings, so that each can be shown to fail.
enum Checks {
    static let longestLine = 100
    static let longestLiteralLine = 120
    static let longestSourceFile = 400
    static let longestTestFile = 500

    // MARK: Modules

    static func imports(_ file: SourceFile, rule: TargetRule) -> [Finding] {
        matches(
            #"^\s*(?:@\w+\s+|package\s+|public\s+|internal\s+|private\s+|fileprivate\s+)*import\s+"#
                + #"(?:(?:struct|class|enum|func|protocol|typealias|var|let)\s+)?(\w+)"#, in: file
        )
        .filter { !rule.modules.contains($0.word) }
        .map {
            Finding(
                path: file.path, line: $0.line, message: "\(rule.name) must not import \($0.word)")
        }
    }

    static func pureWords(_ file: SourceFile) -> [Finding] {
        TargetRules.forbiddenInPureTargets.flatMap { pattern, reason in
            matches("(\(pattern))", in: file).map {
                Finding(path: file.path, line: $0.line, message: "\($0.word): \(reason)")
            }
        }
    }

    // MARK: Style

    static func lengths(_ file: SourceFile) -> [Finding] {
        let code = file.code.split(separator: "\n", omittingEmptySubsequences: false)
        let longLines = zip(file.lines, code).enumerated().compactMap { index, pair -> Finding? in
            // A message that is one literal can be searched for; the formatter leaves it whole too.
            let limit = hasLiteral(pair.0, code: pair.1) ? longestLiteralLine : longestLine
            guard pair.0.count > limit else { return nil }
            return Finding(
                path: file.path, line: index + 1,
                message: "\(pair.0.count) columns; at most \(limit)")
        }
        let limit = file.path.hasPrefix("Sources/") ? longestSourceFile : longestTestFile
        let count = file.lines.count - 1
        guard count > limit else { return longLines }
        return longLines
            + [Finding(path: file.path, line: count, message: "\(count) lines; at most \(limit)")]
    }

    /// Whether a line has a literal, or is inside one of several lines.
    private static func hasLiteral(_ line: Substring, code: Substring) -> Bool {
        if code.contains("\"") { return true }
        let isComment = ["//", "/*", "*"].contains { line.drop { $0 == " " }.hasPrefix($0) }
        return code.allSatisfy { $0 == " " } && !isComment
    }

    /// A `default:` hides new cases of our own enums; one over an open set says so beside it.
    /// Over numbers and texts it needs no words: there are always more of them.
    static func defaults(_ file: SourceFile) -> [Finding] {
        let lines = file.lines
        return matches(#"^\s*(default)\s*:"#, in: file).filter { match in
            let near = lines[max(0, match.line - 2)...(match.line - 1)]
            return !near.contains { $0.contains("// default: ") }
                && !isOverLiterals(
                    lines[..<(match.line - 1)], indent: indent(lines[match.line - 1]))
        }.map {
            Finding(
                path: file.path, line: $0.line,
                message:
                    "`default:` hides new cases; list them, or say `// default: open set` and of what"
            )
        }
    }

    private static func indent(_ line: Substring) -> Int { line.prefix { $0 == " " }.count }

    /// Whether the last `case` of the same switch starts with a number or a text.
    private static func isOverLiterals(_ before: ArraySlice<Substring>, indent column: Int) -> Bool
    {
        let last = before.last { $0.dropFirst(column).hasPrefix("case ") && indent($0) == column }
        guard let first = last?.dropFirst(column + 5).first else { return false }
        return first == "\"" || first == "-" || first.isNumber
    }

    static func unnumberedNotes(_ file: SourceFile) -> [Finding] {
        // The words are put together so that this file does not find itself.
        let words = ["TO" + "DO", "FIX" + "ME", "X" + "XX"].joined(separator: "|")
        return numberedLines(file, containing: "\\b(?:\(words))\\b(?!.*#[0-9])")
            .map {
                Finding(
                    path: file.path, line: $0, message: "a note without an issue's number (#12)")
            }
    }

    /// Paths that exist on the machine of whoever wrote them, and nowhere else.
    static func machinePaths(_ file: SourceFile) -> [Finding] {
        let folders = ["wo" + "rk", "ho" + "me", "Us" + "ers", "ro" + "ot"].joined(separator: "|")
        return numberedLines(
            file, containing: "(?<![A-Za-z0-9._~)}-])/(?:\(folders))/[A-Za-z0-9._-]+"
        )
        .map { Finding(path: file.path, line: $0, message: "a path of one machine") }
    }

    // MARK: Documents

    static func deadLinks(_ file: SourceFile, exists: (String) -> Bool) -> [Finding] {
        matches(#"\]\(([^)#\s]+)[^)]*\)"#, in: file, raw: true).compactMap { match in
            guard !match.word.contains("://") else { return nil }
            let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
            let target = URL(fileURLWithPath: "/\(folder)/\(match.word)").standardizedFileURL.path
            return exists(String(target.dropFirst()))
                ? nil
                : Finding(path: file.path, line: match.line, message: "no such file: \(match.word)")
        }
    }

    static func unknownMakeTargets(_ file: SourceFile, known: Set<String>) -> [Finding] {
        matches(#"(?:`|^\s*|&& )make ([a-z]+)"#, in: file, raw: true).filter {
            !known.contains($0.word)
        }
        .map { Finding(path: file.path, line: $0.line, message: "no such target: make \($0.word)") }
    }

    // MARK: Searching

    private static func numberedLines(_ file: SourceFile, containing pattern: String) -> [Int] {
        matches("(\(pattern))", in: file, raw: true).map(\.line)
    }

    /// Line and first group of each match, in code only unless `raw`.
    private static func matches(
        _ pattern: String, in file: SourceFile, raw: Bool = false
    ) -> [(line: Int, word: String)] {
        guard let expression = try? NSRegularExpression(pattern: pattern) else { return [] }
        let text = raw ? file.text : file.code
        return text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
            .flatMap { offset, line -> [(line: Int, word: String)] in
                let line = String(line)
                let range = NSRange(line.startIndex..., in: line)
                return expression.matches(in: line, range: range).compactMap { match in
                    Range(match.range(at: 1), in: line).map { (offset + 1, String(line[$0])) }
                }
            }
    }
}
