/// A place in the configuration file, counted from 1; columns count Unicode scalars.
struct Position: Sendable, Equatable, Comparable {
    var line: Int
    var column: Int

    static let start = Position(line: 1, column: 1)

    static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One thing that is wrong, or doubtful, in a configuration file.
struct ConfigurationProblem: Sendable, Equatable {
    var position: Position
    /// The key as one would say it: `members[1].peer`; empty for the file as a whole.
    var path: String
    /// What is wrong, and what is allowed instead.
    var message: String

    /// `file:line:column: key: message`, as editors and terminals link it.
    func line(file: String) -> String {
        let place = "\(file):\(position.line):\(position.column)"
        return path.isEmpty ? "\(place): \(message)" : "\(place): \(path): \(message)"
    }
}

/// A configuration that cannot be used, with every reason that was found. Exit status 78.
struct ConfigurationFailure: Error, Equatable, CustomStringConvertible {
    var file: String
    /// In the order of the file; never empty.
    var problems: [ConfigurationProblem]

    var description: String {
        let lines = problems.map { $0.line(file: file) }
        let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
        return (lines + ["\(count) in \(file): nothing was started."]).joined(separator: "\n")
    }
}

/// Collects problems so that one run reports all of them. Confined to one load.
final class ProblemList {
    /// A hostile file does not get to print for ever.
    static let most = 50

    private(set) var problems: [ConfigurationProblem] = []
    private(set) var warnings: [ConfigurationProblem] = []

    func add(_ message: String, at position: Position, path: String) {
        let problem = ConfigurationProblem(position: position, path: path, message: message)
        guard problems.count < Self.most, !problems.contains(problem) else { return }
        problems.append(problem)
    }

    func warn(_ message: String, at position: Position, path: String) {
        warnings.append(ConfigurationProblem(position: position, path: path, message: message))
    }
}

/// A value with the place it was read from, for rules that compare several values.
struct Located<Value> {
    var value: Value
    var position: Position
    var path: String
}
