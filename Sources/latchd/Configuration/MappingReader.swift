/// Reads the keys of one mapping; unknown keys are problems from the start.
struct MappingReader {
    let path: String
    let position: Position
    private let pairs: [ConfigurationTree.Pair]
    private let problems: ProblemList

    /// Reads nothing (so that every optional key has its default) where `tree` is not a mapping;
    /// that is then a problem.
    init(_ tree: ConfigurationTree, path: String, keys: [String], problems: ProblemList) {
        self.path = path
        self.position = tree.position
        self.problems = problems
        guard case .mapping(let pairs, _) = tree else {
            self.pairs = []
            problems.add(
                "expected keys (\(keys.joined(separator: ", "))), found \(tree.kind).",
                at: tree.position, path: path)
            return
        }
        self.pairs = pairs
        for pair in pairs where !keys.contains(pair.key) {
            let guess =
                suggestion(for: pair.key, among: keys).map { " Did you mean \"\($0)\"?" } ?? ""
            problems.add(
                "unknown key.\(guess) Known here: \(keys.joined(separator: ", ")).",
                at: pair.keyPosition,
                path: Self.join(path, LogFormat.escaped(String(pair.key.prefix(80)))))
        }
    }

    /// The value of a key, or nil where the file does not have the key.
    func optional(_ key: String) -> ValueReader? {
        pairs.first { $0.key == key }.map {
            ValueReader(
                tree: $0.value, keyPosition: $0.keyPosition, path: Self.join(path, key),
                problems: problems)
        }
    }

    /// The value of a key that has no default; its absence is a problem, with `meaning` to help.
    func required(_ key: String, meaning: String) -> ValueReader? {
        if let value = optional(key) { return value }
        problems.add(
            "the key \"\(key)\" is missing: \(meaning).", at: position, path: path)
        return nil
    }

    static func join(_ path: String, _ key: String) -> String {
        path.isEmpty ? key : "\(path).\(key)"
    }
}
