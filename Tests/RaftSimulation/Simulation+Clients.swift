import LatchMachine
import RaftCore

// Clients' calls, and what servers do with them: propose, pass on, answer.

extension Simulation {
    mutating func runClient(_ client: Int) {
        guard !areClientsStopped else { return }
        queue.add(
            .client(client), at: now + generator.draw(from: options.clientPauseMilliseconds))
        if generator.happens(permille: 200) { askForRead() }
        guard let call = clients[client].nextCall(at: now, options, &generator) else { return }
        let server = generator.below(servers.count)
        trace.note("client \(client) → \(server + 1): \(call.command), attempt \(call.attempts)")
        trace.fold(6, UInt64(client), UInt64(server), call.number)
        let request = ClientRequest(
            client: client, call: call.number, origin: server, command: call.command)
        for _ in 0..<(generator.happens(permille: 50) ? 2 : 1) {
            queue.add(
                .request(server: server, request, hops: 0), at: now + generator.draw(from: 0...5))
        }
    }

    /// A linearizable read, mostly where it can be granted.
    private mutating func askForRead() {
        let leaders = servers.indices.filter { servers[$0].raft?.role == .leader }
        let server =
            leaders.isEmpty || generator.happens(permille: 100)
            ? generator.below(servers.count) : generator.pick(leaders)
        guard servers[server].raft != nil else { return }
        let id = ReadID(nextNumber(at: server))
        post(.input(.read(id)), to: server)
        // A client that hears nothing asks again under a new name.
        if generator.happens(permille: 200) {
            post(.input(.read(ReadID(nextNumber(at: server)))), to: server)
        }
    }

    mutating func nextNumber(at server: Int) -> UInt64 {
        servers[server].nextNumber += 1
        return servers[server].nextNumber
    }

    /// A call at a server: the leader proposes it, a follower passes it on once.
    mutating func serve(
        _ request: ClientRequest, at server: Int, hops: Int, _ effects: inout Effects
    ) throws(Violation) {
        // No copy of the `Raft` may be alive when it steps: its log would be copied.
        guard servers[server].raft?.role == .leader else {
            guard hops == 0, let leader = servers[server].raft?.leader else { return }
            return passOn(request, from: server, to: leader)
        }
        let stamp = stamp(at: server)
        try propose(
            LogRecord(
                origin: UInt16(request.origin + 1), number: request.call,
                logTimeMilliseconds: stamp, command: request.command),
            at: server, &effects)
    }

    private mutating func passOn(_ request: ClientRequest, from server: Int, to leader: ServerID) {
        let target = Int(leader.rawValue) - 1
        for time in network.arrivals(from: server, to: target, at: now, &generator) {
            queue.add(.request(server: target, request, hops: 1), at: time)
        }
    }

    private mutating func stamp(at server: Int) -> UInt64 {
        guard servers[server].clock.isRunning else {
            return servers[server].machine.logTimeMilliseconds
        }
        return servers[server].clock.advance(
            to: now, atMost: options.settings.electionTimeoutMilliseconds.upperBound)
    }

    /// Every proposal gets exactly one fate, at once.
    private mutating func propose(
        _ record: LogRecord, at server: Int, _ effects: inout Effects
    ) throws(Violation) {
        let id = ProposalID(nextNumber(at: server))
        let known = effects.proposals.count
        try step(server, .propose([Proposal(id: id, payload: record.encoded())]), &effects)
        try require(
            effects.proposals.count == known + 1 && effects.proposals.last?.id == id,
            "C17 answered once", "a proposal has \(effects.proposals.count - known) fates")
    }

    /// The leader's own duties: the grace after its election, and expiry.
    mutating func upkeep(_ server: Int) {
        queue.add(.upkeep(server: server, life: servers[server].life), at: now + 25)
        guard !areClientsStopped, servers[server].isRunning,
            servers[server].raft?.isReadyToServe == true,
            let term = servers[server].raft?.currentTerm
        else { return }
        var command: Command?
        if servers[server].servedTerm != term || !servers[server].clock.isRunning {
            servers[server].servedTerm = term
            servers[server].clock.start(
                from: servers[server].machine.logTimeMilliseconds, at: now)
            command = .leaderElected(graceMilliseconds: options.graceMilliseconds)
        } else {
            let time = stamp(at: server)
            let expired = servers[server].machine.expiredSessions(at: time)
            if !expired.isEmpty { command = .expire(expired) }
        }
        guard let command else { return }
        let request = ClientRequest(client: -1, call: 0, origin: -1, command: command)
        post(.request(request, hops: 1), to: server)
    }

    /// The server that was asked answers its client when it has applied the entry itself.
    mutating func answer(_ record: LogRecord, _ outcomes: [Outcome], at server: Int) {
        for outcome in outcomes {
            guard case .answer(let answer) = outcome else { continue }
            if case .held = answer { mark(\.heldCommands) }
            if answer == .refused(.unknownSession) { mark(\.unknownSessions) }
            let client = Int(record.number >> 32) - 1
            guard Int(record.origin) == server + 1, clients.indices.contains(client) else {
                continue
            }
            guard areFaultsOver || !generator.happens(permille: 100) else { continue }
            queue.add(
                .answer(client: client, ClientAnswer(call: record.number, answer: answer)),
                at: now + generator.draw(from: 0...5))
        }
    }

    mutating func take(_ answer: ClientAnswer, client: Int) {
        let call = clients[client].call
        let isConfirmed = clients[client].take(answer)
        if call?.number == answer.call { mark(\.answeredCalls) }
        guard isConfirmed, let call, let session = clients[client].session else { return }
        latches.noteConfirmed(
            session, safeUntil: call.begunAt + clients[client].timeoutMilliseconds)
    }
}
