package import LatchNode
import RaftCore

/// Four questions that are not one: is the process turning, does it take calls, is there a majority
/// behind it, and does what it accepted get done.
package struct Health: Sendable, Equatable {
    /// One question's answer.
    package struct Check: Sendable, Equatable {
        package let name: Name
        package let passes: Bool
        /// In words, for people.
        package let reason: String
    }

    /// The questions, in the order in which they are told.
    package enum Name: String, Sendable, CaseIterable {
        /// The node's loop answers.
        case alive
        /// The node brings calls to a decision: it leads, or is linked to the leader.
        case ready
        /// A majority of the members was heard by whoever leads.
        case quorum
        /// Nothing waits too long, for the disk or for a majority.
        case progress
    }

    package let checks: [Check]

    /// All questions are answered with yes.
    package var passes: Bool { checks.allSatisfy(\.passes) }

    /// The names of what fails.
    package var failing: [Name] { checks.filter { !$0.passes }.map(\.name) }

    /// What a reading of the node says; nil is a node whose loop did not answer.
    package init(_ reading: NodeReading?, members: Int, settings: SiteSettings) {
        guard let reading else {
            let bound = settings.livenessBoundMilliseconds
            checks = Name.allCases.map { name in
                Check(
                    name: name, passes: false,
                    reason: name == .alive
                        ? "the node did not answer within \(bound) ms" : "not known")
            }
            return
        }
        checks = [
            Check(name: .alive, passes: true, reason: "the node answers"),
            Self.ready(reading.status),
            Self.quorum(reading.status, members: members),
            Self.progress(reading, bound: settings.progressBoundMilliseconds),
        ]
    }

    private static func ready(_ status: NodeStatus) -> Check {
        let text: String
        switch status.readiness {
        case .ready: text = "calls are decided"
        case .stopping: text = "the node is stopping"
        case .notReady:
            text =
                if status.raft.role == .leader {
                    "elected, but nothing is committed in its term yet"
                } else if let leader = status.raft.leader {
                    "no link to the leader, node \(leader)"
                } else {
                    "no leader is known"
                }
        }
        return Check(name: .ready, passes: status.readiness == .ready, reason: text)
    }

    private static func quorum(_ status: NodeStatus, members: Int) -> Check {
        let needed = members / 2 + 1
        guard status.raft.role == .leader else {
            let leader = status.raft.leader
            return Check(
                name: .quorum, passes: leader != nil,
                reason: leader.map { "node \($0) leads" }
                    ?? "nobody leads: \(needed) of \(members) members are needed")
        }
        let heard =
            1
            + status.raft.followers.count { follower in
                status.moment.milliseconds(since: follower.lastHeard) <= Self.silenceMilliseconds
            }
        return Check(
            name: .quorum, passes: heard >= needed,
            reason: "\(heard) of \(members) members heard, \(needed) needed")
    }

    /// A follower that a leader has not heard for so long does not count.
    static let silenceMilliseconds: UInt64 = 2_000

    private static func progress(_ reading: NodeReading, bound: UInt64) -> Check {
        let status = reading.status
        if reading.diskWaitMilliseconds > bound {
            return Check(
                name: .progress, passes: false,
                reason: "the disk has not answered for \(reading.diskWaitMilliseconds) ms")
        }
        let last = status.raft.lastLogIndex.rawValue
        if last > status.lastApplied, reading.idleMilliseconds > bound {
            return Check(
                name: .progress, passes: false,
                reason: "\(last - status.lastApplied) entries have waited "
                    + "\(reading.idleMilliseconds) ms for a majority")
        }
        return Check(
            name: .progress, passes: true,
            reason: "applied \(status.lastApplied) of \(last) entries")
    }

    /// The answer of `/readyz`: with `verbose` every question, else only what fails.
    func text(verbose: Bool) -> String {
        var lines = checks.filter { verbose || !$0.passes }
            .map { "[\($0.passes ? "+" : "-")]\($0.name.rawValue): \($0.reason)" }
        lines.append(
            passes ? "ready" : "not ready: \(failing.map(\.rawValue).joined(separator: ", "))")
        return lines.joined(separator: "\n") + "\n"
    }
}
