import LatchMachine
import LatchNode
import RaftCore

/// The page of `/metrics`: what a reading says, as Prometheus takes it in. The names are a
/// contract: dashboards and alerts use them.
enum Metrics {
    static func text(
        _ reading: Reading, health: Health, settings: SiteSettings, node: NodeSettings
    ) -> String {
        var page = Exposition()
        page.gauges(
            "latchd_build_info", "The version that runs; always 1.",
            [(["version": settings.version], 1)])
        page.gauges(
            "latchd_node_info", "Which node of which cluster this is; always 1.",
            [(["cluster": settings.cluster, "node": "\(node.server)"], 1)])
        page.gauges(
            "latchd_check_passing",
            "Whether a health check passes: alive, ready, quorum, progress.",
            health.checks.map { (["check": $0.name.rawValue], $0.passes ? 1 : 0) })
        page.gauge("latchd_members", "Members of the cluster.", node.members.count)
        if let read = reading.node {
            raft(read, node, &page)
            work(read, node, &page)
            disk(read, &page)
        }
        terms(reading.terms, &page)
        if let edge = reading.edge { calls(edge, &page) }
        process(reading, &page)
        return page.text
    }

    private static let roles: [(role: Role, name: String)] = [
        (.follower, "follower"), (.preCandidate, "pre_candidate"), (.candidate, "candidate"),
        (.leader, "leader"),
    ]

    private static func raft(
        _ read: NodeReading, _ node: NodeSettings, _ page: inout Exposition
    ) {
        let (raft, meters) = (read.status.raft, read.meters)
        page.gauge("latchd_raft_term", "The Raft term.", raft.currentTerm.rawValue)
        page.gauges(
            "latchd_raft_role", "1 for the role that the node has.",
            roles.map { (["role": $0.name], $0.role == raft.role ? 1 : 0) })
        page.gauge(
            "latchd_raft_leader_known", "1 if the node knows a leader of its term.",
            raft.leader == nil ? 0 : 1)
        page.gauge(
            "latchd_raft_leader_id", "The leader's id; 0 if none is known.",
            raft.leader?.rawValue ?? 0)
        page.counter(
            "latchd_raft_leader_changes_total",
            "Times that a leader other than the one before was seen.",
            meters.leaderChanges)
        page.counter(
            "latchd_raft_elections_started_total", "Elections that the node began.",
            meters.electionsStarted)
        page.counter(
            "latchd_raft_elections_won_total", "Elections that the node won.", meters.electionsWon)
        page.counter(
            "latchd_raft_quorum_losses_total",
            "Times that the node stopped leading because it heard no majority.",
            meters.quorumLosses)
        page.gauge(
            "latchd_raft_commit_index", "The last entry known to be committed.",
            raft.commitIndex.rawValue)
        page.gauge(
            "latchd_raft_applied_index", "The last entry applied to the latches.",
            read.status.lastApplied)
        page.gauge(
            "latchd_raft_last_log_index", "The last entry in the log.", raft.lastLogIndex.rawValue)
        page.gauge(
            "latchd_raft_durable_index", "The last entry known to be on the node's disk.",
            raft.durableIndex.rawValue)
        page.gauge(
            "latchd_raft_snapshot_index", "The last entry in the snapshot.",
            raft.snapshotIndex.rawValue)
        peers(read, node, &page)
    }

    private static func peers(
        _ read: NodeReading, _ node: NodeSettings, _ page: inout Exposition
    ) {
        let status = read.status
        let others = node.members.map(\.id).filter { $0 != node.server }
        page.gauges(
            "latchd_peer_connected", "1 if the node's link to the peer works.",
            others.map { peer in
                (["peer": "\(peer)"], status.connectedPeers.contains(peer) ? 1 : 0)
            })
        page.counter(
            "latchd_peer_links_lost_total", "Links to peers that were lost.",
            read.meters.linksLost)
        page.gauges(
            "latchd_peer_lag_entries",
            "Entries in the leader's log that the peer is not known to have; on the leader only.",
            status.raft.followers.map { follower in
                let last = status.raft.lastLogIndex.rawValue
                let match = follower.matchIndex.rawValue
                return (["peer": "\(follower.id)"], Double(last >= match ? last - match : 0))
            })
        page.gauges(
            "latchd_peer_last_heard_seconds",
            "Time since the leader heard the peer; on the leader only.",
            status.raft.followers.map { follower in
                let silence = status.moment.milliseconds(since: follower.lastHeard)
                return (["peer": "\(follower.id)"], Double(silence) / 1_000)
            })
    }

    private static func work(
        _ read: NodeReading, _ node: NodeSettings, _ page: inout Exposition
    ) {
        let (status, meters) = (read.status, read.meters)
        page.counter(
            "latchd_proposals_total", "Commands that the node put into the log as leader.",
            meters.proposals)
        page.counter(
            "latchd_proposals_refused_total", "Commands that the node refused as leader.",
            meters.proposalsRefused)
        page.counter(
            "latchd_entries_applied_total", "Entries applied to the latches.", meters.applied)
        page.gauge(
            "latchd_pending_calls", "Calls accepted and not yet answered.", status.pendingCalls)
        page.gauge(
            "latchd_pending_calls_limit", "Calls accepted at once, at most.",
            node.maximumPendingCalls)
        page.gauge("latchd_latches", "Latches.", status.primitives)
        page.gauge("latchd_latches_limit", "Latches, at most.", node.limits.primitives)
        page.gauge("latchd_sessions", "Open sessions.", status.sessions)
        page.gauge("latchd_sessions_limit", "Open sessions, at most.", node.limits.sessions)
        page.counter("latchd_sessions_opened_total", "Sessions opened.", meters.sessionsOpened)
        page.counter(
            "latchd_sessions_ended_total", "Sessions that ended, for whatever reason.",
            meters.sessionsEnded)
        page.counter(
            "latchd_sessions_expired_total", "Sessions that ended because nobody kept them alive.",
            meters.expiries)
        page.counter("latchd_renewals_total", "Keep-alives of sessions.", meters.renewals)
        page.gauge(
            "latchd_event_streams", "Atomix event streams served by the node.", status.subscribers)
        page.gauge(
            "latchd_event_streams_limit", "Event streams served, at most.", node.maximumSubscribers)
        page.histogram(
            "latchd_turn_duration_seconds", "How long the node's turns took.", meters.turns,
            unit: 1e9)
    }

    private static func disk(_ read: NodeReading, _ page: inout Exposition) {
        let meters = read.meters
        page.histogram(
            "latchd_persist_duration_seconds",
            "From handing something to the disk until it is durable: queue, write and fsync.",
            meters.persists, unit: 1e9)
        page.histogram(
            "latchd_persist_entries", "Log entries in one write.", meters.persistedEntries)
        page.gauge(
            "latchd_disk_wait_seconds", "How long the oldest write has waited for the disk.",
            Double(read.diskWaitMilliseconds) / 1_000)
        page.counter(
            "latchd_snapshots_taken_total", "Snapshots that the node took.", meters.snapshotsTaken)
        page.counter(
            "latchd_snapshots_installed_total", "Snapshots that the node got from a leader.",
            meters.snapshotsInstalled)
        page.gauge(
            "latchd_snapshot_size_bytes",
            "The newest snapshot of this process; 0 before the first.", meters.snapshotBytes)
        page.histogram(
            "latchd_snapshot_duration_seconds", "How long the encoding of snapshots took.",
            meters.snapshots, unit: 1e9)
    }
}
