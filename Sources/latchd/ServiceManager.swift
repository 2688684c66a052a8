import Foundation
import LatchNode
import NIOCore
import RaftCore
import Synchronization

/// Tells the service manager how the node is: systemd's protocol of sd_notify(3), datagrams to the
/// socket that `NOTIFY_SOCKET` names.
///
/// A message that cannot be delivered is lost: the node serves all the same. `READY=1` says that
/// calls can be decided here, so that what comes next (the next node of a rolling upgrade) may
/// begin; where no majority is found it is said after ``patience`` all the same, since the nodes of
/// a cluster that starts wait for one another. `WATCHDOG=1` is only ever sent when the node has
/// answered a question that went through its inbox and a turn of its loop, so a node that hangs is
/// noticed.
final class ServiceManager: Sendable {
    /// What the manager is told of a node.
    private struct Told {
        var isReady = false
        var isStopping = false
        var status = ""
    }

    /// How long READY waits for a majority.
    static let patience = TimeAmount.seconds(10)
    /// STATUS is brought up to date so often.
    static let statusInterval = TimeAmount.seconds(1)

    private let socket: NotifySocket
    /// How often the manager wants to hear of the node's loop; nil: it does not.
    let watchdog: TimeAmount?
    private let told = Mutex(Told())

    /// - Parameter environment: of the process: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    /// - Returns: nil where no manager asks to be told, or its socket cannot be used.
    init?(environment: [String: String] = ProcessInfo.processInfo.environment) {
        guard let path = environment["NOTIFY_SOCKET"], let socket = NotifySocket(path) else {
            return nil
        }
        self.socket = socket
        watchdog = Self.watchdog(environment)
    }

    /// A half of what the manager allows, as sd_watchdog_enabled(3) recommends.
    private static func watchdog(_ environment: [String: String]) -> TimeAmount? {
        let own = String(ProcessInfo.processInfo.processIdentifier)
        if let owner = environment["WATCHDOG_PID"], owner != own { return nil }
        guard let limit = environment["WATCHDOG_USEC"].flatMap({ Int64($0) }), limit >= 2,
            limit <= Int64.max / 1_000
        else { return nil }
        return .microseconds(limit / 2)
    }

    /// Begins to tell how `node` is, until ``stopping()``. Call it when the ports are open.
    func attend(_ node: LatchNode, patience: TimeAmount = ServiceManager.patience) {
        let began = node.loop.now
        let interval = min(watchdog ?? Self.statusInterval, Self.statusInterval)
        node.loop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { [self] task in
            guard !told.withLock({ $0.isStopping }) else { return task.cancel() }
            let isPatient = node.loop.now - began < patience
            node.submit(
                .status(Reply(on: node.loop) { self.take($0, of: node, isPatient: isPatient) }))
        }
        // Ready is told at once, not at the next beat.
        node.observeReadiness { [self] readiness in
            if readiness == .ready { tell([], isReady: true) }
        }
    }

    /// The node is on its way out; nothing is told after this.
    func stopping() {
        told.withLock { told in
            guard !told.isStopping else { return }
            told.isStopping = true
            socket.send("STOPPING=1\nSTATUS=stopping: hands leadership over")
        }
    }

    /// The node's loop has answered. One that is too busy for the question is alive too.
    private func take(_ result: NodeResult, of node: LatchNode, isPatient: Bool) {
        let pulse = watchdog == nil ? [] : ["WATCHDOG=1"]
        guard case .status(let status) = result else { return tell(pulse, isReady: false) }
        tell(
            pulse, status: Self.line(status, members: node.settings.members.count),
            isReady: status.readiness == .ready || !isPatient)
    }

    /// Sends what is news. What could not be sent is news again at the next beat.
    private func tell(_ lines: [String], status: String? = nil, isReady: Bool) {
        told.withLock { told in
            guard !told.isStopping else { return }
            var next = told
            var lines = lines
            if isReady, !told.isReady {
                next.isReady = true
                lines.append("READY=1")
            }
            if let status, status != told.status {
                next.status = status
                lines.append("STATUS=\(status)")
            }
            if !lines.isEmpty, socket.send(lines.joined(separator: "\n")) { told = next }
        }
    }

    /// What `systemctl status` shows: one line, without numbers that move all the time.
    static func line(_ status: NodeStatus, members: Int) -> String {
        let links = members > 1 ? "; \(status.connectedPeers.count) of \(members - 1) links up" : ""
        let term = "term \(status.raft.currentTerm)\(links)"
        guard status.readiness == .ready, let leader = status.raft.leader else {
            return "not ready: no leader within reach, \(term)"
        }
        return status.raft.role == .leader
            ? "ready: leads in \(term)" : "ready: follows node \(leader) in \(term)"
    }
}

/// Waits for one answer of the node, on the node's own loop.
private final class Reply: ReplySink {
    let loop: any EventLoop
    private let take: @Sendable (NodeResult) -> Void

    init(on loop: any EventLoop, _ take: @escaping @Sendable (NodeResult) -> Void) {
        self.loop = loop
        self.take = take
    }

    func complete(_ result: NodeResult) { take(result) }
}
