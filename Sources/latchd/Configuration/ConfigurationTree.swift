import Yams

/// The part of YAML that a configuration is made of, with places, free of aliases and duplicates.
indirect enum ConfigurationTree {
    /// Plain and quoted text alike; nil where nothing is written (or `~`, `null`).
    case text(String?, Position)
    case list([ConfigurationTree], Position)
    case mapping([Pair], Position)

    struct Pair {
        var key: String
        var keyPosition: Position
        var value: ConfigurationTree
    }

    var position: Position {
        switch self {
        case .text(_, let position), .list(_, let position), .mapping(_, let position): position
        }
    }

    /// What a reader would call it.
    var kind: String {
        switch self {
        case .text(.none, _): "nothing"
        case .text: "text"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }

    /// Parses a text that `ConfigurationText` let pass; nil when it is not usable YAML.
    static func parse(_ text: String, problems: ProblemList) -> ConfigurationTree? {
        let before = problems.problems.count
        do {
            // Nodes hold their anchors weakly: the parser has to outlive the conversion.
            let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
            let tree = try withExtendedLifetime(parser) {
                try parser.singleRoot().map { convert($0, problems: problems) }
            }
            guard let tree else {
                problems.add("the file is empty.", at: .start, path: "")
                return nil
            }
            return problems.problems.count == before ? tree : nil
        } catch let error as YamlError {
            let problem = explain(error, text: text)
            problems.add(problem.message, at: problem.position, path: "")
        } catch {
            problems.add("not readable as YAML: \(error)", at: .start, path: "")
        }
        return nil
    }

    private static func convert(_ node: Node, problems: ProblemList) -> ConfigurationTree {
        let position = node.mark.map { Position(line: $0.line, column: $0.column) } ?? .start
        if node.anchor != nil {
            problems.add(
                "anchors (&name) and aliases (*name) are not supported; write the value out.",
                at: position, path: "")
            return .text(nil, position)
        }
        switch node {
        case .scalar(let scalar):
            let isEmpty = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
            return .text(isEmpty ? nil : scalar.string, position)
        case .sequence(let sequence):
            return .list(sequence.map { convert($0, problems: problems) }, position)
        case .mapping(let mapping):
            let pairs = mapping.compactMap { pair($0.key, $0.value, problems: problems) }
            return .mapping(pairs, position)
        case .alias:
            problems.add(
                "aliases (*name) are not supported; write the value out.", at: position, path: "")
            return .text(nil, position)
        }
    }

    private static func pair(_ key: Node, _ value: Node, problems: ProblemList) -> Pair? {
        let position = key.mark.map { Position(line: $0.line, column: $0.column) } ?? .start
        guard case .scalar(let scalar) = key, key.anchor == nil else {
            problems.add("this key is not plain text.", at: position, path: "")
            return nil
        }
        return Pair(
            key: scalar.string, keyPosition: position, value: convert(value, problems: problems))
    }
}
