import LatchMachine
import Logging
import PeerTransport
import RaftCore

// What a node does while it leads, and how it notices that it does.
extension LatchNode {
    /// Commands a leader proposes on its own account. They belong to its term: when it ends, or
    /// when they are refused, they are forgotten and proposed anew if there is still reason to.
    enum LeaderCommand {
        case leaderElected
        case expiry
        case logTime
    }

    /// While sessions live, log time reaches the log at least this often: what passed since the
    /// last stamp is what a failover adds to a session's life.
    private static let stampIntervalMilliseconds: UInt64 = 1_000

    private func propose(_ command: Command, for purpose: LeaderCommand) {
        let number = calls.takeNumber()
        leaderCommands[number] = purpose
        let proposal = (settings.server, number, raft.currentTerm, command.encoded())
        switch purpose {
        // Before this turn's commands of clients: see `mayGrant`.
        case .leaderElected: proposals.insert(proposal, at: 0)
        case .expiry, .logTime: proposals.append(proposal)
        }
    }

    /// Whether commands of clients may enter the log: every token granted from here on has the
    /// incarnation of this configuration. After a restore it is raised by the leader's first entry,
    /// and until that is on its way commands wait, since log indexes went back (I14).
    var mayGrant: Bool {
        machine.incarnation >= settings.incarnation || isProposed(.leaderElected)
    }

    private func isProposed(_ command: LeaderCommand) -> Bool {
        leaderCommands.values.contains(command)
    }

    /// What a serving leader does at each turn: log time runs, and sessions past their deadline are
    /// proposed for expiry, but none before the grace of this term's election is in the log.
    func leadWork(at now: Instant) {
        guard leadership.isServing, raft.isReadyToServe, !raft.isTransferring else { return }
        let logTime = logClock.advance(to: now)
        leaderHeardAt = now
        guard graceTerm == raft.currentTerm else {
            if !isProposed(.leaderElected) {
                propose(
                    .leaderElected(
                        graceMilliseconds: settings.graceMilliseconds,
                        incarnation: settings.incarnation),
                    for: .leaderElected)
            }
            return
        }
        if let next = machine.nextExpiryMilliseconds, next < logTime, !isProposed(.expiry),
            !isHoldingOff(at: now)
        {
            let expired = machine.expiredSessions(at: logTime)
            if !expired.isEmpty { propose(.expire(expired), for: .expiry) }
        }
        if machine.sessionCount > 0, !isProposed(.logTime),
            now.milliseconds(since: lastStamp) >= Self.stampIntervalMilliseconds
        {
            propose(.renew([]), for: .logTime)
        }
    }

    /// The entry of one of this leader's own commands was applied.
    func finish(_ command: LeaderCommand) {
        switch command {
        case .leaderElected: graceTerm = raft.currentTerm
        case .expiry, .logTime: break
        }
    }

    /// Notices changes of role, term and leader after the effects were executed.
    func followLeadership(at now: Instant) {
        let (role, term, leader) = (raft.role, raft.currentTerm, raft.leader)
        let gained = role == .leader && (leadership.role != .leader || leadership.term != term)
        if leader != leadership.leader || term != leadership.term {
            noteLeadership(role, term, leader)
            reads.restartUnconfirmed()
            holdOffUntil = nil
            logger.info(
                "leadership",
                metadata: [
                    "term": "\(term)", "role": "\(role)",
                    "leader": "\(leader.map(String.init(describing:)) ?? "none")",
                ])
            if leader != nil { scheduleTurn() }
        }
        if role != .leader || gained { leaderCommands.removeAll() }
        leadership.role = role
        leadership.term = term
        leadership.leader = leader
        let serves = raft.isReadyToServe
        if serves, !leadership.isServing || gained {
            logClock.start(from: machine.logTimeMilliseconds, at: now)
            scheduleTurn()
        } else if !serves, leadership.isServing {
            logClock.stop()
        }
        leadership.isServing = serves
        let canDecide =
            role == .leader ? serves : leader.map { transport.isConnected($0) } == true
        leadership.readiness = isStopping ? .stopping : canDecide ? .ready : .notReady
    }

    /// When a serving leader's next own command may be due.
    func nextLeaderWork(at now: Instant) -> Instant? {
        guard leadership.isServing, graceTerm == raft.currentTerm, !raft.isTransferring,
            let next = machine.nextExpiryMilliseconds, !isProposed(.expiry),
            let moment = logClock.instant(of: next + 1)
        else { return nil }
        // After a refusal the log is full: no hurry.
        return max(moment, holdOffUntil ?? now, now.advanced(byMilliseconds: 1))
    }
}
