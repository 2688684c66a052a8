/// The files of several nodes, compared: what keeps them from being one cluster.
///
/// Each is compared with the first, and those whose peers are on one host with each other.
struct ConfigurationSet {
    struct File {
        /// As the user names it.
        var name: String
        var loaded: LoadedConfiguration

        var settings: NodeConfiguration { loaded.configuration }

        /// The host that the other nodes dial.
        var host: String? { settings.ownMember?.peer.comparable.host }

        func line(_ key: String, _ message: String) -> String {
            // A key that is left out has its value from the member list.
            let position = loaded.places[key] ?? loaded.places["members"] ?? .start
            return ConfigurationProblem(position: position, path: key, message: message)
                .line(file: name)
        }
    }

    /// Lines `file:line:column: key: what is wrong, and what to do`.
    private(set) var problems: [String] = []
    /// Lines of the same form, about what does not keep the nodes from starting.
    private(set) var warnings: [String] = []

    init(_ files: [File]) {
        guard let first = files.first else { return }
        for file in files.dropFirst() { compare(file, with: first) }
        for (place, file) in files.enumerated() {
            for earlier in files[..<place] { compareHosts(file, with: earlier) }
        }
    }

    private mutating func compare(_ file: File, with first: File) {
        let (own, other) = (file.settings, first.settings)
        if own.cluster != other.cluster {
            problems.append(
                file.line(
                    "cluster",
                    "\(quoted(own.cluster)), but \(quoted(other.cluster)) in \(first.name). "
                        + "All nodes of a cluster give it one name."))
        }
        if own.incarnation != other.incarnation {
            problems.append(
                file.line(
                    "incarnation",
                    "\(own.incarnation), but \(other.incarnation) in \(first.name). "
                        + "All nodes have the same."))
        }
        compareMembers(file, with: first)
    }

    private mutating func compareMembers(_ file: File, with first: File) {
        let (own, other) = (file.settings.members, first.settings.members)
        func add(_ text: String) {
            problems.append(file.line("members", text + " All nodes have the same list."))
        }
        for member in own {
            guard let same = other.first(where: { $0.id == member.id }) else {
                add("member \(member.id) is not in \(first.name).")
                continue
            }
            if same.peer.description != member.peer.description {
                add(
                    "member \(member.id) has the peer address \(member.peer), but \(same.peer) in "
                        + "\(first.name).")
            } else if same.client != member.client {
                warnings.append(
                    file.line(
                        "members",
                        "member \(member.id) has the client address \(member.client), but "
                            + "\(same.client) in \(first.name): clients are told the one or the other."
                    ))
            }
        }
        for member in other where !own.contains(where: { $0.id == member.id }) {
            add("member \(member.id) of \(first.name) is missing.")
        }
    }

    private mutating func compareHosts(_ file: File, with earlier: File) {
        let (own, other) = (file.settings, earlier.settings)
        guard own.node != other.node else {
            problems.append(
                file.line(
                    "node",
                    "\(own.node) is the node of \(earlier.name), too. Every node has its own id."))
            return
        }
        guard file.host != nil, file.host == earlier.host else { return }
        if own.dataDirectory == other.dataDirectory {
            problems.append(
                file.line(
                    "data",
                    "\(quoted(own.dataDirectory)) is the directory of \(earlier.name), too, on the same "
                        + "host. Every node has its own."))
        }
        for (key, address) in Self.listening(own) {
            for (_, taken) in Self.listening(other) where address.collides(with: taken) {
                problems.append(
                    file.line(
                        key,
                        "\(address) is taken by \(earlier.name) (\(taken)) on the same host. Every node "
                            + "has its own ports there."))
            }
        }
    }

    /// What a node listens on, with the keys that say so.
    private static func listening(_ settings: NodeConfiguration) -> [(String, HostPort)] {
        let status = settings.statusListen.map { [("status", $0)] } ?? []
        return [("listen.peer", settings.peerListen), ("listen.client", settings.clientListen)]
            + status
    }
}
