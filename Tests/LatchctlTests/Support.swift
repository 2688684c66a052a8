import ArgumentParser
import Foundation
import Testing

@testable import latchctl

/// A command with the words that it is called by: `latchctl config check`.
struct Verb: Sendable, CustomTestStringConvertible {
    let words: [String]
    let type: any ParsableCommand.Type

    var name: String { words.dropFirst().joined(separator: " ") }
    var title: String { words.joined(separator: "-") }
    var testDescription: String { words.joined(separator: " ") }
    /// Nothing is below it.
    var isLeaf: Bool { type.configuration.subcommands.isEmpty }

    /// The tool itself, and everything below it.
    static let all = below(Verb(words: ["latchctl"], type: Latchctl.self))

    private static func below(_ verb: Verb) -> [Verb] {
        [verb]
            + verb.type.configuration.subcommands.flatMap {
                below(Verb(words: verb.words + [$0._commandName], type: $0))
            }
    }
}

/// What the repository holds, found from this file's own place.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }
}

/// Programs as a person runs them.
enum Program {
    /// The first program of one of these names in PATH.
    static func find(_ names: String...) -> URL? {
        let folders = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
        return names.lazy.flatMap { name in
            folders.lazy.map { URL(fileURLWithPath: "\($0)/\(name)") }
        }.first { FileManager.default.isExecutableFile(atPath: $0.path) }
    }

    /// Runs a program to its end, its output into a file.
    static func run(
        _ program: URL, _ arguments: [String], input: String = "",
        environment added: [String: String] = [:]
    ) throws -> (code: Int32, text: String) {
        try withFolder { folder in
            let (source, log) = (
                folder.appendingPathComponent("input"), folder.appendingPathComponent("output")
            )
            try Data(input.utf8).write(to: source)
            try Data().write(to: log)
            let output = try FileHandle(forWritingTo: log)
            let code = try start(
                program, arguments, environment: added,
                input: try FileHandle(forReadingFrom: source), output: output)
            return (code, try String(contentsOf: log, encoding: .utf8))
        }
    }

    /// Runs a program to its end, its output onto a terminal. For short output: nobody reads while
    /// it runs.
    static func runOnTerminal(
        _ program: URL, _ arguments: [String], environment added: [String: String]
    ) throws -> String {
        var (master, terminal): (Int32, Int32) = (-1, -1)
        try #require(openpty(&master, &terminal, nil, nil, nil) == 0)
        defer { close(master) }
        do {
            let handle = FileHandle(fileDescriptor: terminal, closeOnDealloc: false)
            defer { close(terminal) }
            _ = try start(
                program, arguments, environment: added, input: FileHandle.nullDevice,
                output: handle)
        }
        // Nobody has the other end any more: reading ends with an error after what was written.
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = read(master, &buffer, buffer.count), count > 0 {
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func start(
        _ program: URL, _ arguments: [String], environment added: [String: String],
        input: FileHandle, output: FileHandle
    ) throws -> Int32 {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = output
        var environment = ProcessInfo.processInfo.environment
        environment["SWIFT_BACKTRACE"] = "enable=no"
        environment["NO_COLOR"] = nil
        process.environment = environment.merging(added) { $1 }
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }
}

/// A folder for the time of `body`.
func withFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
        "latchctl-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
}
