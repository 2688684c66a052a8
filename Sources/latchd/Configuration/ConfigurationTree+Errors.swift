import Yams

/// Yams' errors as problems of ours: a place, and what to do.
extension ConfigurationTree {
    static func explain(_ error: YamlError, text: String) -> ConfigurationProblem {
        switch error {
        case .scanner(let context, let problem, let mark, _),
            .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let start = context.map { " (\($0.text) in line \($0.mark.line))" } ?? ""
            return ConfigurationProblem(
                position: Position(line: mark.line, column: mark.column), path: "",
                message: "not valid YAML: \(problem)\(start)." + hint(problem))
        case .reader(let problem, _, let value, _):
            return ConfigurationProblem(
                position: ConfigurationText.position(in: text.unicodeScalars) {
                    Int32(exactly: $0.value) == value
                },
                path: "", message: "not valid YAML: \(problem).")
        case .duplicatedKeysInMapping(let keys, let context):
            return duplicate(keys, first: context.mark, text: text)
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return ConfigurationProblem(
                position: .start, path: "", message: "not readable as YAML: \(error)")
        }
    }

    private static func hint(_ problem: String) -> String {
        if problem.contains("nesting level") { return " A configuration has four levels at most." }
        if problem.contains("mapping values are not allowed") {
            return " Is a space missing after a colon, or a line indented too far?"
        }
        if problem.contains("could not find expected ':'") {
            return " Every line is `key: value`, with a space after the colon."
        }
        if problem.contains("did not find expected key") {
            return " Keys that belong together start in the same column."
        }
        if problem.contains("found another document") {
            return " Remove the line `---` and what follows it."
        }
        return ""
    }

    private static func duplicate(_ keys: [String], first: Mark, text: String)
        -> ConfigurationProblem
    {
        let key = keys.first ?? ""
        let again = secondLine(of: key, first: first, text: text)
        return ConfigurationProblem(
            position: Position(line: again ?? first.line, column: first.column),
            path: "",
            message:
                "the key \(quoted(key)) stands here twice; the first is in line \(first.line). "
                + "Keep one of them.")
    }

    /// Yams tells the first of two equal keys; in block style the second starts in the same column.
    private static func secondLine(of key: String, first: Mark, text: String) -> Int? {
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated().dropFirst(max(0, first.line)) {
            let rest = String(line.dropFirst(max(0, first.column - 1)))
            let name = rest.prefix { $0 != ":" }.filter { $0 != "\"" && $0 != "'" && $0 != " " }
            let isIndentedSo = line.prefix(max(0, first.column - 1)).allSatisfy { $0 == " " }
            if isIndentedSo, name == key { return index + 1 }
        }
        return nil
    }
}
