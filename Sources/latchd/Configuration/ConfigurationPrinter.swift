/// Prints the effective settings as a configuration file: what `--check` shows.
///
/// The output, loaded again, is the same configuration.
enum ConfigurationPrinter {
    static func yaml(_ loaded: LoadedConfiguration, file: String) -> String {
        let warnings = loaded.warnings.map { "# WARNING: \($0.line(file: file))" }
        let heading = ["# The effective settings of \(LogFormat.escaped(file)), defaults included."]
        return (heading + warnings + lines(loaded.configuration)).joined(separator: "\n") + "\n"
    }

    private static func lines(_ settings: NodeConfiguration) -> [String] {
        [
            "cluster: \(text(settings.cluster))",
            "node: \(settings.node)",
            "data: \(text(settings.dataDirectory))",
            "listen:",
            "  peer: \(text(settings.peerListen.description))",
            "  client: \(text(settings.clientListen.description))",
        ] + (settings.statusListen.map { ["status: \(text($0.description))"] } ?? []) + [
            "members:"
        ] + settings.members.flatMap(member) + tuning(settings)
    }

    private static func member(_ member: NodeConfiguration.Member) -> [String] {
        [
            "  - id: \(member.id)",
            "    peer: \(text(member.peer.description))",
            "    client: \(text(member.client.description))",
        ] + (member.status.map { ["    status: \(text($0.description))"] } ?? [])
    }

    private static func tuning(_ settings: NodeConfiguration) -> [String] {
        let time = Units.spell(milliseconds:)
        let size = Units.spell(bytes:)
        let election = settings.raft.electionTimeoutMilliseconds
        return [
            "incarnation: \(settings.incarnation)",
            "raft:",
            "  heartbeat: \(time(settings.raft.heartbeatMilliseconds))",
            "  election_timeout: \(time(election.lowerBound))..\(time(election.upperBound))",
            "  unreachable_leader_delay: \(time(settings.raft.unreachableLeaderDelayMilliseconds))",
            "sessions:",
            "  grace: \(time(settings.sessions.graceMilliseconds))",
            "limits:",
            "  requests_in_flight: \(settings.limits.requestsInFlight)",
            "  event_streams: \(settings.limits.eventStreams)",
            "  client_connections: \(settings.limits.clientConnections)",
            "  client_connections_per_address: \(settings.limits.clientConnectionsPerAddress)",
            "  request_timeout: \(time(settings.limits.requestTimeoutMilliseconds))",
            "  uncommitted_bytes: \(size(settings.limits.uncommittedBytes))",
            "snapshot:",
            "  every_entries: \(settings.snapshot.everyEntries)",
            "  keep_entries: \(settings.snapshot.keepEntries)",
            "log:",
            "  level: \(settings.log.level.rawValue)",
            "  format: \(settings.log.format.rawValue)",
        ]
    }

    /// Double quotes make every text a YAML text, whatever it looks like.
    private static func text(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                let digits = String(scalar.value, radix: 16, uppercase: true)
                quoted += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            case _: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
