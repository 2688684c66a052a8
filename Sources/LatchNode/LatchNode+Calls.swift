import LatchMachine
import Logging
import PeerTransport
import RaftCore

// The calls of clients on their way to the leader's log.
extension LatchNode {
    // MARK: Taking

    func accept(_ requests: [NodeRequest], at now: Instant) {
        let deadline = now.advanced(byMilliseconds: settings.requestTimeoutMilliseconds)
        for request in requests {
            if isStopping, let sink = request.caller {
                // A node that is about to go takes no more calls.
                outbox.complete(sink, with: .failed(.shuttingDown))
                continue
            }
            switch request {
            case .command(let command, let sink):
                accept(command, .reply(sink), deadline)
            case .subscribe(let command, let sink):
                if subscribers.count >= settings.maximumSubscribers {
                    let text = "this node serves \(subscribers.count) streams"
                    outbox.complete(sink, with: .failed(.overloaded(text)))
                } else {
                    accept(command, .subscriber(sink), deadline)
                }
            case .renew(let renewal, let sink):
                renewals.add(
                    renewal, sink,
                    due: now.advanced(byMilliseconds: settings.renewalDelayMilliseconds))
            case .read(let query, let sink):
                if reads.count >= settings.maximumPendingCalls {
                    let text = "this node has \(reads.count) reads waiting"
                    outbox.complete(sink, with: .failed(.overloaded(text)))
                } else {
                    reads.add(PendingRead(query: query, sink: sink, deadline: deadline))
                }
            case .status(let sink):
                outbox.complete(sink, with: .status(currentStatus))
            case .unsubscribe(let key, let sink):
                subscribers.remove(key, servedBy: sink)
            case .observe(let name, let minimumIndex, let sink):
                observe(name, minimumIndex, sink)
            case .stopObserving(let name, let sink):
                observers.remove(sink, from: name)
            case .localView(let name, let sink):
                answerLocally(name, sink, at: now)
            }
        }
    }

    private func accept(_ command: Command, _ waiter: Waiter, _ deadline: Instant) {
        let waiting = calls.count + held.count
        if waiting >= settings.maximumPendingCalls {
            fail(waiter, .overloaded("this node has \(waiting) calls waiting"))
        } else {
            calls.add(command, waiter: waiter, deadline: deadline)
        }
    }

    private func flushRenewals(at now: Instant) {
        guard let due = renewals.due, due <= now || renewals.isFull else { return }
        let deadline = now.advanced(byMilliseconds: settings.requestTimeoutMilliseconds)
        for batch in renewals.takeAll() {
            accept(.renew(batch.renewals), .renewals(batch), deadline)
        }
    }

    // MARK: Sending

    /// Proposes waiting calls if this node leads, or forwards them to the leader; begins a round
    /// for waiting reads.
    func dispatch(at now: Instant) {
        flushRenewals(at: now)
        if raft.role == .leader {
            if mayGrant {
                if !raft.isTransferring { takeWaiting() }
                stepProposals(at: now)
            }
            guard !raft.isTransferring, reads.canBegin else { return }
            raft.step(.read(ReadID(reads.begin(at: now))), at: now, into: &effects)
        } else {
            stepProposals(at: now)
            guard let leader = raft.leader, transport.isConnected(leader), !isHoldingOff(at: now)
            else { return }
            if reconnected.remove(leader) != nil {
                calls.requeueRepeatable(of: raft.currentTerm)
                reads.restartUnconfirmed()
            }
            forwardWaiting(to: leader, raft.currentTerm)
            if reads.canBegin {
                let frame = PeerFrame.readIndexRequest(number: reads.begin(at: now))
                _ = transport.send(frame, to: leader)
            }
        }
    }

    /// Calls taken in one turn, at most: the rest goes in the next one, so that a flood never holds
    /// up a heartbeat.
    private static let callsPerTurn = 4_096
    /// Command bytes in one frame to the leader, at most: well under a frame's limit.
    private static let bytesPerFrame = 512 << 10

    private func takeWaiting() {
        let term = raft.currentTerm
        calls.takeWaiting(limit: Self.callsPerTurn, bytes: .max, term: term) { call in
            proposals.append((settings.server, call.number, term, call.encodedCommand))
        }
        if calls.hasWaiting { scheduleTurn() }
    }

    /// Two frames a turn, at most: votes and acknowledgements must find room beside them.
    private func forwardWaiting(to leader: ServerID, _ term: Term) {
        for _ in 0..<2 where calls.hasWaiting {
            var batch: [ForwardedProposals.Proposal] = []
            calls.takeWaiting(
                limit: Self.callsPerTurn / 2, bytes: Self.bytesPerFrame, term: term
            ) { call in
                batch.append(.init(number: call.number, command: call.encodedCommand))
            }
            guard !batch.isEmpty else { return }
            let frame = PeerFrame.proposals(ForwardedProposals(term: term, proposals: batch))
            guard transport.send(frame, to: leader) else {
                // Nothing was sent, so nothing is in doubt: they wait for the link.
                for proposal in batch { calls.requeue(proposal.number, handedIn: term) }
                return
            }
        }
        if calls.hasWaiting { scheduleTurn() }
    }

    // MARK: The leader's side

    /// Commands of a follower's clients join this turn's proposals, if they were meant for this
    /// very term and are commands: what entered the log would have to be applied by everybody.
    func takeForwarded(_ forwarded: ForwardedProposals, from server: ServerID) {
        let (term, all) = (forwarded.term, forwarded.proposals)
        guard raft.role == .leader, raft.currentTerm == term else {
            let reason: RefusedProposals.Reason = raft.role == .leader ? .otherTerm : .notLeader
            return refuse(all.map(\.number), reason, term, to: server)
        }
        var unknown: [UInt64] = []
        for proposal in all {
            if (try? Command(decoding: proposal.command)) == nil {
                unknown.append(proposal.number)
            } else {
                proposals.append((server, proposal.number, term, proposal.command))
            }
        }
        refuse(unknown, .notACommand, term, to: server)
    }

    /// Steps every proposal of this turn as one input, each stamped with the leader's log time.
    /// If this node stopped leading within the turn, all are refused: nothing was appended.
    func stepProposals(at now: Instant) {
        guard !proposals.isEmpty else { return }
        let term = raft.currentTerm
        let batch = proposals.filter { $0.term == term }
        let stale = proposals.filter { $0.term != term }
        proposals.removeAll(keepingCapacity: true)
        for proposal in stale {
            refuse([proposal.number], .otherTerm, proposal.term, to: proposal.origin)
        }
        guard !batch.isEmpty else { return }
        let logTime = logClock.isRunning ? logClock.advance(to: now) : machine.logTimeMilliseconds
        let wallTime = settings.wallClock()
        let stamped = batch.enumerated().map { position, proposal in
            Proposal(
                id: ProposalID(UInt64(position)),
                payload: LogRecord.encode(
                    origin: proposal.origin.rawValue, number: proposal.number,
                    logTimeMilliseconds: logTime, wallTimeMilliseconds: wallTime,
                    encodedCommand: proposal.command))
        }
        raft.step(.propose(stamped), at: now, into: &effects)
        var refused: [ServerID: [RefusedProposals.Reason: [UInt64]]] = [:]
        for fate in effects.proposals {
            guard case .refused(let refusal) = fate.result else {
                if logClock.isRunning { lastStamp = now }
                continue
            }
            let proposal = batch[Int(fate.id.rawValue)]
            let reason = RefusedProposals.Reason(refusal)
            refused[proposal.origin, default: [:]][reason, default: []].append(proposal.number)
        }
        effects.proposals.removeAll(keepingCapacity: true)
        meters.noteProposals(batch.count, refused: refused)
        guard !refused.isEmpty else { return }
        for member in settings.members {
            for reason in RefusedProposals.Reason.allCases {
                let numbers = refused[member.id]?[reason] ?? []
                refuse(numbers, reason, term, to: member.id)
            }
        }
    }

    private func refuse(
        _ numbers: [UInt64], _ reason: RefusedProposals.Reason, _ term: Term, to server: ServerID
    ) {
        guard !numbers.isEmpty else { return }
        let refused = RefusedProposals(reason: reason, term: term, numbers: numbers)
        if server == settings.server {
            takeRefusal(refused, at: now)
        } else {
            _ = transport.send(.proposalsRefused(refused), to: server)
        }
    }

    // MARK: Refusals

    /// The leader of a term did not append these. A call that was handed on since is not meant.
    func takeRefusal(_ refused: RefusedProposals, at now: Instant) {
        for number in refused.numbers {
            if let command = leaderCommands.removeValue(forKey: number) {
                logger.debug("own command refused", metadata: ["command": "\(command)"])
                continue
            }
            switch refused.reason {
            case .notLeader, .otherTerm, .transferringLeadership:
                calls.requeue(number, handedIn: refused.term)
            case .overloaded:
                let text = "the leader's log is full of undecided entries"
                fail(calls.remove(number, handedIn: refused.term), .overloaded(text))
            case .notACommand:
                fail(calls.remove(number, handedIn: refused.term), .notUnderstood)
            }
        }
        holdOff(at: now)
    }

    /// After a refusal calls wait for another leader or term, or this long, before they are sent
    /// again: otherwise they would go back and forth as fast as the link allows.
    private static let holdOffMilliseconds: UInt64 = 20

    func holdOff(at now: Instant) {
        holdOffUntil = now.advanced(byMilliseconds: Self.holdOffMilliseconds)
    }

    func isHoldingOff(at now: Instant) -> Bool {
        holdOffUntil.map { $0 > now } ?? false
    }

    private func fail(_ call: PendingCall?, _ failure: NodeFailure) {
        if let call { fail(call, failure) }
    }

    /// Fails a call; where a copy of it may be in a log, the truth is that its outcome is unknown.
    func fail(_ call: PendingCall, _ failure: NodeFailure) {
        fail(call.waiter, call.mayBeInLog ? .outcomeUnknown : failure)
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
