/// The rules that compare several keys (O2 to O8).
///
/// Each reads a draft and reports; a key that is missing or wrong by itself is passed over.
enum ConfigurationRules {
    /// Raft's cost grows with every member, and past seven nothing is gained.
    static let mostMembers = 7
    /// A follower must not campaign because one or two heartbeats were late (§5.2, §5.6).
    static let heartbeatsPerElectionTimeout = 5

    static func check(_ draft: ConfigurationDraft, problems: ProblemList) {
        checkClusterName(draft, problems)
        checkMemberCount(draft, problems)
        checkIDs(draft, problems)
        checkAddresses(draft, problems)
        checkListen(draft, problems)
        checkStatus(draft, problems)
        checkTimeouts(draft, problems)
        checkConnections(draft.limits, draft.perAddress, problems)
    }

    private static func checkClusterName(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        guard let cluster = draft.cluster else { return }
        let isPlain = cluster.value.utf8.allSatisfy { byte in
            let scalar = Unicode.Scalar(byte)
            return scalar.isASCII
                && (scalar.properties.isAlphabetic || (48...57).contains(byte)
                    || "-._".utf8.contains(byte))
        }
        guard isPlain, cluster.value.utf8.count <= 64 else {
            problems.add(
                "\(quoted(cluster.value)) is no cluster name. Allowed are 1 to 64 letters, digits, "
                    + "'-', '.' and '_'.",
                at: cluster.position, path: cluster.path)
            return
        }
    }

    private static func checkMemberCount(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        guard let members = draft.members else { return }
        let count = members.value.count
        func add(_ text: String) { problems.add(text, at: members.position, path: members.path) }
        func warn(_ text: String) { problems.warn(text, at: members.position, path: members.path) }
        switch count {
        case 0: add("the list is empty; name at least this node.")
        case 1: warn("one member: nothing takes over when this node stops.")
        case (mostMembers + 1)...: add("\(count) members; at most \(mostMembers) are supported.")
        case _ where count.isMultiple(of: 2):
            warn(
                "\(count) members survive no more failures than \(count - 1) "
                    + "(\((count - 1) / 2)) and need \(count / 2 + 1) for every change. "
                    + "Use \(count - 1) or \(count + 1).")
        // default: open set of integers; 3, 5 and 7 need no words
        default: break
        }
    }

    private static func checkIDs(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        guard let members = draft.members?.value, !members.isEmpty else { return }
        var first: [Int: Located<Int>] = [:]
        for id in members.compactMap(\.id) {
            if let earlier = first[id.value] {
                problems.add(
                    "the id \(id.value) is taken by \(earlier.path) in line \(earlier.position.line). "
                        + "Every member has its own.",
                    at: id.position, path: id.path)
            } else {
                first[id.value] = id
            }
        }
        guard let node = draft.node, first[node.value] == nil,
            members.allSatisfy({ $0.id != nil })
        else { return }
        let ids = orList(first.keys.sorted().map(String.init))
        problems.add(
            "this node is \(node.value), but no member has that id. Set it to \(ids), or add the member.",
            at: node.position, path: node.path)
    }

    private static func checkAddresses(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        let members = draft.members?.value ?? []
        var first: [HostPort: Located<HostPort>] = [:]
        for address in members.flatMap({ [$0.peer, $0.client, $0.status] }).compactMap({ $0 }) {
            if address.value.isWildcard {
                problems.add(
                    "\(address.value.host) is no address that others can dial. Write this member's name "
                        + "or IP address; to listen on all interfaces, use the key \"listen\".",
                    at: address.position, path: address.path)
            } else if let earlier = first[address.value.comparable] {
                problems.add(
                    "\(address.value) is the address of \(earlier.path) in line "
                        + "\(earlier.position.line) as well. Every address is used once.",
                    at: address.position, path: address.path)
            } else {
                first[address.value.comparable] = address
            }
        }
        let peers = members.compactMap(\.peer)
        guard let loopback = peers.first(where: { $0.value.isLoopback }),
            !peers.allSatisfy({ $0.value.isLoopback })
        else { return }
        problems.warn(
            "\(loopback.value.host) means another machine on every machine, but other members are "
                + "elsewhere; they will not reach this one.",
            at: loopback.position, path: loopback.path)
    }

    private static func checkListen(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        guard draft.peerListen != nil || draft.clientListen != nil else { return }
        let own = draft.members?.value.first { $0.id?.value == draft.node?.value }
        guard let peer = draft.peerListen ?? own?.peer,
            let client = draft.clientListen ?? own?.client,
            peer.value.collides(with: client.value)
        else { return }
        let place = draft.clientListen ?? peer
        problems.add(
            "peers (\(peer.value)) and clients (\(client.value)) need different ports.",
            at: place.position, path: place.path)
    }

    private static func checkStatus(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        guard let status = draft.statusListen else { return }
        let own = draft.members?.value.first { $0.id?.value == draft.node?.value }
        let others = [
            draft.peerListen ?? own?.peer, draft.clientListen ?? own?.client,
        ]
        for case .some(let other) in others where other.value.collides(with: status.value) {
            problems.add(
                "the status site (\(status.value)) needs a port of its own; \(other.path) has it.",
                at: status.position, path: status.path)
        }
    }

    private static func checkTimeouts(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        let election = draft.raft.electionTimeoutMilliseconds
        let heartbeat = draft.raft.heartbeatMilliseconds
        // With neither key written, or one of them wrong, there is no place to point at.
        let place =
            draft.electionTimeout.map { ($0.position, $0.path) }
            ?? draft.heartbeat.map { ($0.position, $0.path) }
        guard let (position, path) = place else { return checkRequestTimeout(draft, problems) }
        func spell(_ amount: Int) -> String { Units.spell(milliseconds: amount) }
        if election.lowerBound < heartbeatsPerElectionTimeout * heartbeat {
            problems.add(
                "the election timeout starts at \(spell(election.lowerBound)) with heartbeats every "
                    + "\(spell(heartbeat)). It needs at least \(heartbeatsPerElectionTimeout) heartbeats: "
                    + "\(spell(heartbeatsPerElectionTimeout * heartbeat)) or more, or faster heartbeats.",
                at: position, path: path)
        } else if election.upperBound < election.lowerBound + heartbeat {
            problems.add(
                "all election timeouts would be alike, so votes split (§5.2). The second duration is "
                    + "best twice the first, at least \(spell(election.lowerBound + heartbeat)).",
                at: position, path: path)
        } else if election.upperBound * 2 < election.lowerBound * 3 {
            problems.warn(
                "the range is narrow, so votes will split often (§5.2). Best is "
                    + "\(spell(election.lowerBound))..\(spell(election.lowerBound * 2)).",
                at: position, path: path)
        }
        checkRequestTimeout(draft, problems)
    }

    private static func checkConnections(
        _ limits: NodeConfiguration.Limits, _ perAddress: Located<Int>?, _ problems: ProblemList
    ) {
        guard let perAddress, perAddress.value > limits.clientConnections else { return }
        problems.warn(
            "one address may open more connections (\(perAddress.value)) than the node takes of all "
                + "(client_connections: \(limits.clientConnections)), so it has no limit of its own.",
            at: perAddress.position, path: perAddress.path)
    }

    private static func checkRequestTimeout(_ draft: ConfigurationDraft, _ problems: ProblemList) {
        let election = draft.raft.electionTimeoutMilliseconds.upperBound
        let request = draft.limits.requestTimeoutMilliseconds
        guard request < 2 * election,
            let (position, path) = draft.requestTimeout.map({ ($0.position, $0.path) })
                ?? draft.electionTimeout.map({ ($0.position, $0.path) })
        else { return }
        problems.warn(
            "calls give up after \(Units.spell(milliseconds: request)), before a failover "
                + "(\(Units.spell(milliseconds: 2 * election)), twice the longest election timeout) is over.",
            at: position, path: path)
    }
}
