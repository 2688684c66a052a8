import LatchMachine
import Logging
import NIOCore
import PeerTransport
import RaftCore

// What a turn does beside Raft itself: taking calls, sending them to the leader, expiring, keeping
// deadlines.
extension LatchNode {
    // MARK: Taking calls

    func accept(_ requests: [NodeRequest], at now: Instant) {
        let deadline = now.advanced(byMilliseconds: settings.requestTimeoutMilliseconds)
        for request in requests {
            switch request {
            case .command(let command, let sink):
                accept(command, .reply(sink), deadline)
            case .subscribe(let command, let sink):
                if subscribers.count >= settings.maximumSubscribers {
                    outbox.complete(
                        sink,
                        with: .failed(.overloaded("this node serves \(subscribers.count) streams")))
                } else {
                    accept(command, .subscriber(sink), deadline)
                }
            case .renew(let renewal, let sink):
                renewals.add(
                    renewal, sink,
                    due: now.advanced(byMilliseconds: settings.renewalDelayMilliseconds))
            case .read(let query, let sink):
                if reads.count >= settings.maximumPendingCalls {
                    outbox.complete(
                        sink,
                        with: .failed(.overloaded("this node has \(reads.count) reads waiting")))
                } else {
                    reads.add(PendingRead(query: query, sink: sink, deadline: deadline))
                }
            case .status(let sink):
                outbox.complete(sink, with: .status(currentStatus))
            case .unsubscribe(let key, let sink):
                subscribers.remove(key, servedBy: sink)
            }
        }
    }

    private func accept(_ command: Command, _ waiter: Waiter, _ deadline: Instant) {
        if calls.count >= settings.maximumPendingCalls {
            fail(waiter, .overloaded("this node has \(calls.count) calls waiting"))
        } else {
            calls.add(command, waiter: waiter, deadline: deadline)
        }
    }

    private func propose(_ command: Command, for purpose: NodeCommand, at now: Instant) {
        calls.add(
            command, waiter: .node(purpose),
            deadline: now.advanced(byMilliseconds: settings.requestTimeoutMilliseconds))
    }

    // MARK: Peers' frames

    func take(_ frame: PeerFrame, from server: ServerID, at now: Instant) {
        switch frame {
        case .raft(let message):
            raft.step(.received(message), at: now, into: &effects)
        case .proposals(let forwarded):
            takeForwarded(forwarded, from: server, at: now)
        case .proposalsRefused(let refused):
            for number in refused.numbers { takeRefusal(of: number, refused.reason) }
        case .readIndexRequest(let number):
            let own = reads.foreignNumber()
            foreignReads[own] = (server, number)
            raft.step(.read(ReadID(own)), at: now, into: &effects)
        case .readIndexReply(let reply):
            reads.resolve(reply.number, reply.index)
        case .stateDigest(let index, let digest):
            judge(digests.note(digest, of: server, at: index))
        }
    }

    /// Commands of a follower's clients join this turn's proposals, if they were meant for this
    /// very term.
    private func takeForwarded(
        _ forwarded: ForwardedProposals, from server: ServerID, at now: Instant
    ) {
        let numbers = forwarded.proposals.map(\.number)
        guard raft.role == .leader else { return refuse(numbers, .notLeader, to: server) }
        guard raft.currentTerm == forwarded.term else {
            return refuse(numbers, .otherTerm, to: server)
        }
        for proposal in forwarded.proposals {
            proposals.append((server, proposal.number, proposal.command))
        }
    }

    /// Steps every proposal of this turn as one input, each stamped with the leader's log time.
    private func stepProposals(at now: Instant) {
        guard !proposals.isEmpty else { return }
        let batch = proposals
        proposals.removeAll(keepingCapacity: true)
        let logTime = logClock.isRunning ? logClock.advance(to: now) : machine.logTimeMilliseconds
        let stamped = batch.enumerated().map { position, proposal in
            Proposal(
                id: ProposalID(UInt64(position)),
                payload: LogRecord.encode(
                    origin: proposal.origin.rawValue, number: proposal.number,
                    logTimeMilliseconds: logTime,
                    encodedCommand: proposal.command))
        }
        raft.step(.propose(stamped), at: now, into: &effects)
        for fate in effects.proposals {
            guard case .refused(let refusal) = fate.result else { continue }
            let (origin, number, _) = batch[Int(fate.id.rawValue)]
            let reason = RefusedProposals.Reason(refusal)
            if origin == settings.server {
                takeRefusal(of: number, reason)
            } else {
                refuse([number], reason, to: origin)
            }
        }
        effects.proposals.removeAll(keepingCapacity: true)
    }

    private func refuse(_ numbers: [UInt64], _ reason: RefusedProposals.Reason, to server: ServerID)
    {
        guard !numbers.isEmpty else { return }
        _ = transport.send(
            .proposalsRefused(RefusedProposals(reason: reason, numbers: numbers)), to: server)
    }

    private func takeRefusal(of number: UInt64, _ reason: RefusedProposals.Reason) {
        switch reason {
        case .notLeader, .otherTerm, .transferringLeadership:
            calls.requeue(number)
        case .overloaded:
            if let call = calls.remove(number) {
                fail(call.waiter, .overloaded("the leader's log is full of undecided entries"))
            }
        }
    }

    // MARK: Sending calls on their way

    /// Proposes waiting calls if this node leads, or forwards them to the leader; begins a round
    /// for waiting reads.
    func dispatch(at now: Instant) {
        flushRenewals(at: now)
        if raft.role == .leader {
            if raft.isTransferring {
                stepProposals(at: now)
            } else {
                proposeWaiting(raft.currentTerm, at: now)
            }
            if reads.canBegin {
                raft.step(.read(ReadID(reads.begin(at: now))), at: now, into: &effects)
            }
        } else {
            refuseProposals()
            forward(at: now)
        }
    }

    /// This node stopped leading within the turn that took them: nothing was appended.
    private func refuseProposals() {
        for proposal in proposals { refuse([proposal.number], .notLeader, to: proposal.origin) }
        proposals.removeAll(keepingCapacity: true)
    }

    private func forward(at now: Instant) {
        guard let leader = raft.leader, transport.isConnected(leader) else { return }
        forwardWaiting(to: leader, raft.currentTerm)
        if reads.canBegin {
            _ = transport.send(.readIndexRequest(number: reads.begin(at: now)), to: leader)
        }
    }

    private func flushRenewals(at now: Instant) {
        while let due = renewals.due, due <= now || renewals.count >= Self.renewalsPerEntry {
            let (batch, sinks) = renewals.take(limit: Self.renewalsPerEntry)
            accept(
                .renew(batch), .renewals(sinks),
                now.advanced(byMilliseconds: settings.requestTimeoutMilliseconds))
        }
    }

    /// Keep-alives in one entry, at most: it stays well under the limit of a forwarded frame.
    private static let renewalsPerEntry = 1_024
    /// Calls taken in one turn, at most: the rest goes in the next one, so that a flood never holds
    /// up a heartbeat.
    private static let callsPerTurn = 4_096

    private func proposeWaiting(_ term: Term, at now: Instant) {
        calls.takeWaiting(limit: Self.callsPerTurn, term: term) { call in
            proposals.append((settings.server, call.number, call.encodedCommand))
        }
        stepProposals(at: now)
        if calls.hasWaiting, raft.role == .leader { scheduleTurn() }
    }

    private func forwardWaiting(to leader: ServerID, _ term: Term) {
        while calls.hasWaiting {
            var proposals: [ForwardedProposals.Proposal] = []
            calls.takeWaiting(limit: Self.callsPerTurn / 8, term: term) { call in
                proposals.append(.init(number: call.number, command: call.encodedCommand))
            }
            guard !proposals.isEmpty else { return }
            let frame = PeerFrame.proposals(ForwardedProposals(term: term, proposals: proposals))
            guard transport.send(frame, to: leader) else {
                // Nothing was sent, so nothing is in doubt: they wait for the link.
                for proposal in proposals { calls.requeue(proposal.number) }
                return
            }
        }
    }

    // MARK: Reads

    func resolve(_ grant: ReadGrant) {
        let index: LogIndex?
        switch grant.result {
        case .granted(let granted): index = granted
        case .refused: index = nil
        }
        if let foreign = foreignReads.removeValue(forKey: grant.id.rawValue) {
            let reply = ReadIndexReply(number: foreign.number, index: index)
            _ = transport.send(.readIndexReply(reply), to: foreign.server)
        } else {
            reads.resolve(grant.id.rawValue, index)
        }
    }

    /// Answers every read whose index is applied.
    func answerReads() {
        for read in reads.takeAnswerable(lastApplied: LogIndex(machine.lastApplied)) {
            if let result = answer(read.query) {
                outbox.complete(read.sink, with: result)
            } else {
                let patience = now.advanced(byMilliseconds: settings.gapTimeoutMilliseconds)
                reads.park(read, until: min(read.deadline, patience))
            }
        }
    }

    /// The answer from local state, or nil if the read must wait for its session's commands.
    private func answer(_ query: ReadQuery) -> NodeResult? {
        switch query {
        case .get(let primitive, let session, let requestID):
            switch machine.get(primitive, session: session, requestID: requestID) {
            case .unknownSession: return .unknownSession
            case .notYet: return nil
            case .found(let state): return .latch(state, index: machine.lastApplied)
            }
        case .latch(let primitive):
            guard let state = machine.latchState(primitive) else {
                return .noSuchPrimitive(index: machine.lastApplied)
            }
            return .latch(state, index: machine.lastApplied)
        case .list(let namespace, let prefix, let after, let limit):
            let rows = machine.latches(
                namespace: namespace, prefix: prefix, after: after, limit: limit)
            return .latches(
                rows.map { ListedLatch(name: $0.0, state: $0.1) }, index: machine.lastApplied)
        case .primitives(let namespace):
            return .primitives(machine.primitives(namespace: namespace))
        }
    }

    // MARK: Leading

    /// What a leader does at each turn: log time runs, sessions past their deadline are proposed
    /// for expiry.
    func leadWork(at now: Instant) {
        guard leadership.isServing else { return }
        let logTime = logClock.advance(to: now)
        guard !isExpiryInFlight, let next = machine.nextExpiryMilliseconds, next < logTime else {
            return
        }
        let expired = machine.expiredSessions(at: logTime)
        guard !expired.isEmpty else { return }
        isExpiryInFlight = true
        propose(.expire(expired), for: .expiry, at: now)
    }

    /// Notices changes of role, term and leader after the effects were executed.
    func followLeadership(at now: Instant) {
        let (role, term, leader) = (raft.role, raft.currentTerm, raft.leader)
        let gained = role == .leader && (leadership.role != .leader || leadership.term != term)
        if leader != leadership.leader || term != leadership.term {
            reads.restartUnconfirmed()
            logger.info(
                "leadership",
                metadata: [
                    "term": "\(term)", "role": "\(role)",
                    "leader": "\(leader.map(String.init(describing:)) ?? "none")",
                ])
            if leader != nil { scheduleTurn() }
        }
        if leadership.role == .leader, role != .leader { resolveLeadershipWaiters() }
        leadership.role = role
        leadership.term = term
        leadership.leader = leader
        if gained {
            propose(
                .leaderElected(graceMilliseconds: settings.graceMilliseconds), for: .leaderElected,
                at: now)
            scheduleTurn()
        }
        let serves = raft.isReadyToServe
        if serves, !leadership.isServing || gained {
            logClock.start(from: machine.logTimeMilliseconds, at: now)
        } else if !serves, leadership.isServing {
            logClock.stop()
        }
        leadership.isServing = serves
        leadership.isReady =
            role == .leader ? serves : leader.map { transport.isConnected($0) } == true
    }

    // MARK: Deadlines

    func keepHouse(at now: Instant) {
        for call in calls.removeExpired(at: now) {
            if case .node(.expiry) = call.waiter { isExpiryInFlight = false }
            fail(call.waiter, call.state == .waiting ? .noLeader : .outcomeUnknown)
        }
        if !reads.isEmpty {
            let limit = settings.raft.electionTimeoutMilliseconds.lowerBound
            if now.milliseconds >= limit {
                reads.restartUnconfirmed(
                    begunBefore: Instant(milliseconds: now.milliseconds - limit))
            }
            for (read, wasParked) in reads.removeExpired(at: now) {
                outbox.complete(read.sink, with: .failed(wasParked ? .gap : .noLeader))
            }
        }
        if !held.isEmpty {
            for late in held.overdue(
                at: now, retryAfterMilliseconds: settings.gapTimeoutMilliseconds)
            {
                propose(.closeGap(late.session, requestID: late.stream), for: .closeGap, at: now)
            }
        }
        takeSnapshotIfDue()
    }

    /// The next moment at which a turn has something to do.
    func nextDeadline(at now: Instant) -> Instant {
        var next = raft.deadline
        if let due = renewals.due { next = min(next, due) }
        if calls.count > 0 || !reads.isEmpty || !held.isEmpty {
            next = min(next, now.advanced(byMilliseconds: 20))
        }
        if leadership.isServing, !isExpiryInFlight, let expiry = machine.nextExpiryMilliseconds,
            let moment = logClock.instant(of: expiry + 1)
        {
            next = min(next, max(moment, now.advanced(byMilliseconds: 1)))
        }
        return next
    }
}

extension RefusedProposals.Reason {
    init(_ refusal: Refusal) {
        switch refusal {
        case .notLeader: self = .notLeader
        case .transferringLeadership: self = .transferringLeadership
        case .overloaded, .payloadTooLong: self = .overloaded
        }
    }
}
