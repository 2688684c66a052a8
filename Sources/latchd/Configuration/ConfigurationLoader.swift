import Foundation

/// A configuration that may be used, with what its owner should know about it.
struct LoadedConfiguration: Sendable, Equatable {
    var configuration: NodeConfiguration
    /// In the order of the file.
    var warnings: [ConfigurationProblem]
    /// Where the file says what nodes compare with each other, by key; without those it leaves out.
    var places: [String: Position] = [:]
}

/// Turns a file into a `NodeConfiguration`, or into the list of everything that is wrong with it.
enum ConfigurationLoader {
    /// Reads and checks a file. Throws when it cannot be read or used.
    static func load(path: String) throws(ConfigurationFailure) -> LoadedConfiguration {
        let bytes: [UInt8]
        do {
            bytes = try FileBytes.read(path, atMost: ConfigurationText.maximumBytes + 1)
        } catch {
            let message = "cannot be read: \(error.message)."
            throw ConfigurationFailure(
                file: path,
                problems: [ConfigurationProblem(position: .start, path: "", message: message)])
        }
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
        return try parse(bytes, file: path, directory: directory)
    }

    /// Checks the bytes of a file.
    ///
    /// `file` is for messages only; a relative `data` directory is taken to be in `directory`.
    static func parse(
        _ bytes: [UInt8], file: String, directory: String
    ) throws(ConfigurationFailure) -> LoadedConfiguration {
        let problems = ProblemList()
        let draft = draft(bytes, problems: problems)
        let loaded = draft.flatMap { configuration($0, directory: directory) }
        guard problems.problems.isEmpty, let draft, let loaded else {
            throw ConfigurationFailure(file: file, problems: sorted(problems.problems))
        }
        return LoadedConfiguration(
            configuration: loaded, warnings: sorted(problems.warnings), places: draft.places)
    }

    private static func draft(_ bytes: [UInt8], problems: ProblemList) -> ConfigurationDraft? {
        guard let text = ConfigurationText.check(bytes, problems: problems),
            let tree = ConfigurationTree.parse(text, problems: problems)
        else { return nil }
        let draft = ConfigurationDraft(tree, problems: problems)
        ConfigurationRules.check(draft, problems: problems)
        return draft
    }

    private static func configuration(
        _ draft: ConfigurationDraft, directory: String
    ) -> NodeConfiguration? {
        let members = draft.members?.value.compactMap { member -> NodeConfiguration.Member? in
            guard let id = member.id.flatMap({ UInt16(exactly: $0.value) }), let peer = member.peer,
                let client = member.client
            else { return nil }
            return NodeConfiguration.Member(
                id: id, peer: peer.value, client: client.value, status: member.status?.value)
        }
        guard let members, let cluster = draft.cluster, let data = draft.data,
            let node = draft.node.flatMap({ UInt16(exactly: $0.value) }),
            let own = members.first(where: { $0.id == node })
        else { return nil }
        return NodeConfiguration(
            cluster: cluster.value, node: node,
            dataDirectory: absolute(data.value, in: directory),
            peerListen: draft.peerListen?.value ?? own.peer,
            clientListen: draft.clientListen?.value ?? own.client,
            members: members.sorted { $0.id < $1.id },
            incarnation: draft.incarnation.flatMap { UInt16(exactly: $0.value) } ?? 0,
            raft: draft.raft, sessions: draft.sessions, limits: draft.limits,
            snapshot: draft.snapshot, log: draft.log,
            statusListen: draft.statusListen?.value ?? own.status)
    }

    private static func absolute(_ path: String, in directory: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: directory, isDirectory: true))
            .standardizedFileURL.path
    }

    private static func sorted(_ problems: [ConfigurationProblem]) -> [ConfigurationProblem] {
        // Stable for equal places: the order of discovery tells the cause before its consequence.
        problems.enumerated()
            .sorted { ($0.element.position, $0.offset) < ($1.element.position, $1.offset) }
            .map(\.element)
    }
}
