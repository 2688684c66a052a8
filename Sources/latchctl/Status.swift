import ArgumentParser
import LatchClient

/// `latchctl status`.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows who leads and how every node is.",
        discussion: """
            Asks every node, those that --endpoints does not name too. LAG is how many committed \
            entries a node has yet to apply; MATCH and HEARD are what the leader knows of it.

            Examples:
              latchctl status
              latchctl status --endpoints 10.0.0.2:7401
              latchctl status --json | jq -r .leader_id

            Exit codes: 0 a majority follows a leader, 2 it does not (or no node answered).
            """)

    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        try await cluster.withCluster { cluster in
            let status = try await cluster.status()
            Console.say(
                json
                    ? try latchctl.json(StatusJSON(status), pretty: true)
                    : statusText(status, .output))
            guard case .healthy = status.health else { throw Exit.unhealthy }
        }
    }
}

/// The status for people.
func statusText(_ status: ClusterStatus, _ paint: Paint = .none) -> String {
    var table = Table([
        ("NODE", .right), ("ADDRESS", .left), ("ROLE", .left), ("TERM", .right),
        ("COMMIT", .right), ("APPLIED", .right), ("LAG", .right), ("MATCH", .right),
        ("HEARD", .right), ("SNAPSHOT", .right), ("UP", .right), ("STATE", .left),
    ])
    for node in status.nodes {
        table.add(statusRow(node, in: status), tones: [table.columns.count - 1: tone(node, status)])
    }
    let tone: Tone = if case .healthy = status.health { .good } else { .bad }
    return [paint(verdict(status), tone), "", table.rendered(paint)].joined(separator: "\n")
}

private func replication(
    of node: ClusterStatus.Node, _ status: ClusterStatus
) -> MemberStatus.Replication? {
    status.leader?.members.first { $0.id == node.id }?.replication
}

private func tone(_ node: ClusterStatus.Node, _ status: ClusterStatus) -> Tone {
    guard let own = node.status else { return .bad }
    guard own.isReady else { return .doubtful }
    switch replication(of: node, status)?.pace {
    case .snapshot, .probe: return .doubtful
    case .replicate, .unknown, nil: return .good
    }
}

private func statusRow(_ node: ClusterStatus.Node, in status: ClusterStatus) -> [String] {
    let id = node.id.map(String.init) ?? "?"
    let address = node.endpoint?.description ?? "-"
    let replication = replication(of: node, status)
    let match = replication.map { String($0.matchIndex) } ?? "-"
    let heard = replication?.sinceHeard.map(readable) ?? "-"
    guard let own = node.status else {
        let state = "UNREACHABLE: \(node.failure ?? "no answer")"
        return [id, address, "-", "-", "-", "-", "-", match, heard, "-", "-", state]
    }
    return [
        id, address, own.role.rawValue, String(own.currentTerm), String(own.commitIndex),
        String(own.lastApplied), status.lag(of: node).map(String.init) ?? "-", match, heard,
        own.snapshotIndex == 0 ? "-" : String(own.snapshotIndex), readable(own.uptime),
        nodeState(own, replication),
    ]
}

private func nodeState(_ own: NodeStatus, _ replication: MemberStatus.Replication?) -> String {
    guard own.isReady else {
        return own.leaderID == nil ? "not ready: knows no leader" : "not ready: catching up"
    }
    switch replication?.pace {
    case .snapshot: return "receives a snapshot"
    case .probe: return "ready, being probed"
    case .replicate, .unknown, nil: return "ready"
    }
}

private func verdict(_ status: ClusterStatus) -> String {
    let name = status.cluster.map { "Cluster \(printable($0)): " } ?? ""
    switch status.health {
    case .healthy(let leader):
        let view = status.leader ?? status.nodes.lazy.compactMap(\.status).first
        let counts = view.map { ", \($0.latches) latches, \($0.sessions) sessions" } ?? ""
        return "\(name)node \(leader) leads in term \(status.currentTerm)\(counts)."
    case .noQuorum(let leader, let followers, let needed):
        return
            "\(name)NO QUORUM: node \(leader) claims to lead term \(status.currentTerm), but only \(followers) of "
            + "the \(needed) nodes it needs were seen to follow it."
    case .noLeader:
        return "\(name)NO LEADER. A majority of the nodes must be up and reach each other."
    case .unreachable:
        return
            "NO NODE ANSWERED. Check that they run and that --endpoints names their client addresses."
    }
}
