import RaftCore

/// A script for a cluster, with the transcript that it must give, byte for byte.
///
/// Lines that begin with a space are transcript; `#` begins a comment; anything else is a command.
/// Several commands may share a line, separated by `;`. `Docs/Testing.md` lists them.
package struct Scenario: Sendable {
    package let name: String
    package let text: String

    package init(name: String, text: String) {
        self.name = name
        self.text = text
    }

    /// The script with a fresh transcript.
    ///
    /// - Throws: ``ScenarioFailure`` where a command is not understood or an invariant breaks.
    package func replay() throws(ScenarioFailure) -> String {
        var output: [String] = []
        var cluster: ScenarioCluster?
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated()
        where line.first != " " {
            output.append(String(line))
            guard let first = line.first, first != "#" else { continue }
            for command in line.split(separator: ";") {
                let words = command.split(separator: " ").map(String.init)
                do {
                    try Scenario.run(words, on: &cluster)
                } catch {
                    throw ScenarioFailure(
                        place: "\(name):\(number + 1)", problem: "\(line): \(error)",
                        transcript: output + (cluster?.takeLines() ?? []))
                }
            }
            output += cluster?.takeLines() ?? []
        }
        return output.joined(separator: "\n")
    }

    private static func run(
        _ words: [String], on cluster: inout ScenarioCluster?
    ) throws(Violation) {
        guard let verb = words.first else { return }
        let arguments = Array(words.dropFirst())
        if verb == "cluster" {
            cluster = try makeCluster(arguments)
            return
        }
        guard var running = cluster else {
            throw Violation("scenario", "the first command must be `cluster`")
        }
        defer { cluster = running }
        try ScenarioCommand(verb, arguments, running.ids).run(on: &running)
    }

    /// `cluster 1 2 3`, then settings as `name=value`.
    private static func makeCluster(_ arguments: [String]) throws(Violation) -> ScenarioCluster {
        var settings = RaftSettings()
        var ids: [ServerID] = []
        for argument in arguments {
            let parts = argument.split(separator: "=")
            guard parts.count == 2 else {
                guard let id = UInt16(argument), id > 0 else {
                    throw Violation("scenario", "\(argument) is no server")
                }
                ids.append(ServerID(id))
                continue
            }
            guard let value = Int(parts[1]) else {
                throw Violation("scenario", "\(parts[1]) is no number")
            }
            switch parts[0] {
            case "keep": settings.entriesKeptBehindSnapshot = value
            case "chunk": settings.snapshotChunkBytes = value
            case "batch": settings.maximumEntriesPerAppend = value
            case "window": settings.maximumInFlightAppends = value
            default: throw Violation("scenario", "\(parts[0]) is no setting")
            }
        }
        guard !ids.isEmpty else { throw Violation("scenario", "a cluster has servers") }
        return try ScenarioCluster(ids: ids, settings: settings)
    }
}

/// A scenario that could not be run, with what was written until then.
package struct ScenarioFailure: Error, Sendable, CustomStringConvertible {
    package let place: String
    package let problem: String
    package let transcript: [String]

    package var description: String {
        transcript.suffix(30).joined(separator: "\n") + "\n\(place): \(problem)"
    }
}
