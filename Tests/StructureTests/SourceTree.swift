import Foundation
import Testing

/// One text file of the repository.
struct SourceFile: Sendable, CustomTestStringConvertible {
    /// Relative to the repository's root.
    let path: String
    let text: String
    /// The same text with comments and the contents of string literals blanked.
    let code: String

    init(path: String, text: String) {
        self.path = path
        self.text = text
        self.code = path.hasSuffix(".swift") ? CodeText.strip(text) : text
    }

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var testDescription: String { path }

    /// `Sources/RaftCore/Log.swift` is in `RaftCore`.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
}

/// What a check found wrong: where, and why.
struct Finding: Equatable, CustomStringConvertible {
    var path: String
    var line: Int
    var message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The files of the repository that the checks look at.
enum SourceTree {
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Swift files that people write; generated ones obey their generator.
    static let swiftFiles = files(under: ["Sources", "Tests"], extensions: ["swift"])
        .filter { !$0.path.contains("/Generated/") }

    static let documents =
        files(under: ["Docs"], extensions: ["md"])
        + ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].compactMap(file)

    /// Everything that is text and ours.
    static let allText =
        swiftFiles + documents
        + files(
            under: ["Config", "Tests", "Sources"],
            extensions: ["yaml", "sh", "txt", "proto", "py", "h"])
        + ["Package.swift", "Makefile", "Dockerfile", "docker-compose.yml", ".ci/run"].compactMap(
            file)

    static var sourceFolders: [String] {
        let names = try? FileManager.default.contentsOfDirectory(
            atPath: root.appendingPathComponent("Sources").path)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    static func file(_ path: String) -> SourceFile? {
        let url = root.appendingPathComponent(path)
        return (try? String(contentsOf: url, encoding: .utf8)).map {
            SourceFile(path: path, text: $0)
        }
    }

    private static func files(under folders: [String], extensions: [String]) -> [SourceFile] {
        folders.flatMap { folder -> [SourceFile] in
            let base = root.appendingPathComponent(folder)
            guard let paths = try? FileManager.default.subpathsOfDirectory(atPath: base.path) else {
                return []
            }
            return paths.sorted()
                .filter { path in extensions.contains { path.hasSuffix(".\($0)") } }
                .compactMap { file("\(folder)/\($0)") }
        }
    }
}
