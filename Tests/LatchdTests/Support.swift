import Foundation

@testable import latchd

/// Where the tests find what the repository ships.
enum Repository {
    /// The root, found from this file's own place.
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

/// A valid file in as few lines as possible; lines 1 to 5.
let smallest = """
    cluster: demo
    node: 1
    data: /data
    members:
      - {id: 1, peer: "127.0.0.1:7301", client: "127.0.0.1:7401"}

    """

/// A valid file with three members; lines 1 to 7.
let three = """
    cluster: demo
    node: 1
    data: /data
    members:
      - {id: 1, peer: "a:7301", client: "a:7401"}
      - {id: 2, peer: "b:7301", client: "b:7401"}
      - {id: 3, peer: "c:7301", client: "c:7401"}

    """

func load(_ text: String) throws(ConfigurationFailure) -> LoadedConfiguration {
    try ConfigurationLoader.parse(Array(text.utf8), file: "f.yaml", directory: "/etc/latchd")
}

/// The problems of a file as lines without the file's name; empty when it loads.
func problems(_ text: String) -> [String] {
    problems(Array(text.utf8))
}

func problems(_ bytes: [UInt8]) -> [String] {
    do throws(ConfigurationFailure) {
        _ = try ConfigurationLoader.parse(bytes, file: "f.yaml", directory: "/etc/latchd")
        return []
    } catch {
        return error.problems.map { String($0.line(file: "").dropFirst()) }
    }
}

func warnings(_ text: String) throws(ConfigurationFailure) -> [String] {
    try load(text).warnings.map { String($0.line(file: "").dropFirst()) }
}
