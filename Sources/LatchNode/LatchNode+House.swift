import LatchMachine
import Logging
import PeerTransport
import RaftCore

// Peers' frames, deadlines, and when to look again.
extension LatchNode {
    /// An event of the transport: kept for the next turn, which a burst's end begins.
    func handle(_ event: PeerEvent) {
        switch event {
        case .received(let frame, let server):
            received.append((frame, server))
        case .batchEnded:
            turn()
        case .linkUp(let server):
            logger.info("link up", metadata: ["peer": "\(server)"])
            note(.linkUp(server))
            linkEvents.append(.peerReachable(server))
            reconnected.insert(server)
            scheduleTurn()
        case .linkDown(let server):
            logger.info("link down", metadata: ["peer": "\(server)"])
            meters.linksLost += 1
            note(.linkDown(server))
        case .unreachable(let server):
            logger.info("peer refuses connections", metadata: ["peer": "\(server)"])
            linkEvents.append(.peerUnreachable(server))
            turn()
        case .handshakeRefused(let server, let reason):
            logger.warning(
                "handshake refused",
                metadata: [
                    "peer": "\(server.map(String.init(describing:)) ?? "?")", "reason": "\(reason)",
                ])
        case .protocolViolation(let server, let reason):
            logger.warning(
                "peer broke the protocol",
                metadata: [
                    "peer": "\(server.map(String.init(describing:)) ?? "?")", "reason": "\(reason)",
                ])
        }
    }

    func take(_ frame: PeerFrame, from server: ServerID, at now: Instant) {
        switch frame {
        case .raft(let message):
            raft.step(.received(message), at: now, into: &effects)
            noteLeaderHeard(from: server, at: now)
        case .proposals(let forwarded):
            takeForwarded(forwarded, from: server)
        case .proposalsRefused(let refused):
            takeRefusal(refused, at: now)
        case .readIndexRequest(let number):
            let own = reads.foreignNumber()
            foreignReads[own] = (server, number)
            raft.step(.read(ReadID(own)), at: now, into: &effects)
        case .readIndexReply(let reply):
            reads.resolve(reply.number, reply.index)
            if reply.index == nil { holdOff(at: now) }
        case .stateDigest(let index, let digest):
            judge(digests.note(digest, of: server, at: index))
        }
    }

    func keepHouse(at now: Instant) {
        for call in calls.removeExpired(at: now) {
            fail(call, call.state == .waiting ? .noLeader : .outcomeUnknown)
        }
        if !reads.isEmpty {
            let limit = settings.raft.electionTimeoutMilliseconds.lowerBound
            if now.milliseconds >= limit {
                let before = Instant(milliseconds: now.milliseconds - limit)
                reads.restartUnconfirmed(begunBefore: before)
            }
            for (read, wasParked) in reads.removeExpired(at: now) {
                outbox.complete(read.sink, with: .failed(wasParked ? .gap : .noLeader))
            }
        }
        if !held.isEmpty {
            for waiter in held.removeExpired(at: now) { fail(waiter, .outcomeUnknown) }
            let retry = settings.gapTimeoutMilliseconds
            // While the fate of an earlier leader's entries is open, the missing id may yet come.
            if raft.leader != nil, hasAppliedInTerm {
                for late in held.overdue(at: now, retryAfterMilliseconds: retry) {
                    calls.add(
                        .closeGap(late.session, requestID: late.stream), waiter: .nobody,
                        deadline: now.advanced(
                            byMilliseconds: settings.requestTimeoutMilliseconds))
                }
            }
        }
        takeSnapshotIfDue()
    }

    /// Whether an entry of the current term is applied: then the fate of earlier ones is known.
    var hasAppliedInTerm: Bool { lastAppliedTerm == raft.currentTerm }

    /// An idle follower need not be told of each commit at once: it saves two wake-ups a write.
    func noteWhetherCommitIsAwaited() {
        raft.awaitsCommit =
            !hasAppliedInTerm || calls.count > 0 || !reads.isEmpty || !held.isEmpty
            || !subscribers.isEmpty || observers.count > 0
    }

    /// The next moment at which a turn has something to do.
    func nextDeadline(at now: Instant) -> Instant {
        var next = raft.deadline
        if let due = renewals.due { next = min(next, due) }
        if calls.count > 0 || !reads.isEmpty || !held.isEmpty {
            next = min(next, now.advanced(byMilliseconds: 20))
        }
        if let work = nextLeaderWork(at: now) { next = min(next, work) }
        return next
    }
}
