import ArgumentParser
import Foundation
import LatchClient

/// Where the cluster is, and for how long to try.
struct ClusterOptions: ParsableArguments {
    static let defaultEndpoints = "127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403"

    @Option(
        help: ArgumentHelp(
            "Client addresses of some or all nodes. Default: $LATCHCTL_ENDPOINTS, else \(defaultEndpoints).",
            valueName: "host:port,…"))
    var endpoints: String?

    @Option(
        help: ArgumentHelp(
            "How long to try, over all nodes together. Default: 5s.", valueName: "duration"),
        transform: TimeSpan.parse)
    var timeout: TimeSpan = TimeSpan(.seconds(5))

    mutating func validate() throws {
        let texts = Self.endpointTexts(endpoints, environment: ProcessInfo.processInfo.environment)
        guard !texts.isEmpty else { throw ValidationError("--endpoints names no address.") }
        for text in texts where Endpoint(text) == nil {
            throw ValidationError(
                "\"\(text)\" is no address. Write host:port, for example 10.0.0.1:7401 or [::1]:7401."
            )
        }
        guard timeout.duration > .zero else {
            throw ValidationError("--timeout must be more than zero, for example 5s.")
        }
    }

    /// The option, else the environment, else the default; split at commas.
    static func endpointTexts(_ option: String?, environment: [String: String]) -> [String] {
        let fromEnvironment = environment["LATCHCTL_ENDPOINTS"].flatMap { $0.isEmpty ? nil : $0 }
        let text = option ?? fromEnvironment ?? defaultEndpoints
        return text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
    }

    func makeCluster() throws -> LatchCluster {
        var settings = LatchSettings()
        settings.timeout = timeout.duration
        settings.attemptTimeout = min(settings.attemptTimeout, timeout.duration)
        let texts = Self.endpointTexts(endpoints, environment: ProcessInfo.processInfo.environment)
        return try LatchCluster(endpoints: texts, settings: settings)
    }

    /// Runs `body` on the cluster, closes it, and turns its errors into a message and an exit code.
    func withCluster(_ body: (LatchCluster) async throws -> Void) async throws {
        let cluster = try makeCluster()
        do {
            try await body(cluster)
        } catch let error as LatchError {
            await cluster.shutdown()
            Console.complain(explain(error))
            throw error.code == .notFound ? Exit.notFound : Exit.failure
        } catch {
            await cluster.shutdown()
            throw error
        }
        await cluster.shutdown()
    }
}

/// The name of a latch.
struct LatchOptions: ParsableArguments {
    @Argument(help: ArgumentHelp("The name of the latch, taken as it is.", valueName: "name"))
    var name: String

    @Option(help: "The namespace that the latch is in.")
    var namespace: String = LatchCluster.defaultNamespace
}

/// Under which name somebody takes part in a latch.
struct ParticipantOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A name to take part under, for people to read. Default: host name, process id and four random digits.",
            valueName: "name"))
    var participant: String?

    mutating func validate() throws {
        if let participant, participant.isEmpty {
            throw ValidationError("--participant is empty.")
        }
    }

    /// The name that was given, or a new one: containers share host names and process ids over
    /// restarts, so it has random digits too.
    func makeName() -> String {
        if let participant { return participant }
        let process = ProcessInfo.processInfo
        return "\(process.hostName)-\(process.processIdentifier)-\(randomDigits())"
    }
}

/// A span of time with its unit: `250ms`, `10s`, `5m`, `2h`.
struct TimeSpan: CustomStringConvertible {
    let duration: Duration

    init(_ duration: Duration) {
        self.duration = duration
    }

    /// The value of an option; throws `ValidationError`, which says how to write one.
    @Sendable static func parse(_ text: String) throws -> TimeSpan {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else {
            throw ValidationError("Write a number and its unit, as in 250ms, 10s, 5m or 2h.")
        }
        guard let count = Int64(digits), count <= 1_000_000_000 else {
            throw ValidationError("That is too long.")
        }
        switch text.dropFirst(digits.count) {
        case "ms": return TimeSpan(.milliseconds(count))
        case "s": return TimeSpan(.seconds(count))
        case "m": return TimeSpan(.seconds(count * 60))
        case "h": return TimeSpan(.seconds(count * 3_600))
        case "":
            throw ValidationError(
                "The unit is missing: \(count)ms, \(count)s, \(count)m or \(count)h?")
        default:  // default: open set (words)
            throw ValidationError("The unit is ms, s, m or h, as in 250ms, 10s, 5m or 2h.")
        }
    }

    var description: String {
        let count = milliseconds(duration)
        return count % 1_000 == 0 ? "\(count / 1_000)s" : "\(count)ms"
    }
}

/// A failure in words, one line a node, and what to do.
func explain(_ error: LatchError) -> String {
    var lines = ["latchctl: \(error.message)"]
    lines += error.attempts.map { "  \($0.endpoint)  \($0.reason)" }
    if let advice = advice(for: error.code) { lines.append(advice) }
    return lines.joined(separator: "\n")
}

private func advice(for code: LatchError.Code) -> String? {
    switch code {
    case .unreachable:
        """
        Check that the nodes run and that --endpoints (or LATCHCTL_ENDPOINTS) names their client addresses.
        A node that does not answer in time may be waiting for a leader: latchctl status shows it.
        """
    case .noLeader:
        "A leader needs a majority of the nodes: latchctl status shows which are up."
    case .overloaded:
        "The cluster is at one of its limits; try again later."
    case .outcomeUnknown:
        "Look at the latch with latchctl history and latchctl queue before you repeat it."
    case .notFound:
        "latchctl list shows what there is."
    case .tokenMoved:
        "The latch has changed hands meanwhile: latchctl get shows where it is."
    case .invalidArgument, .sessionLost, .refused, .grantLost, .waitedTooLong, .shutDown:
        nil
    }
}
