import LatchMachine
package import RaftCore

// What the host around a `Raft` does: turns of the loop, in which inputs become one `Effects`.

extension Simulation {
    /// Starts a process with what its disk remembers.
    mutating func start(_ server: Int) throws(Violation) {
        let state = servers[server].disk.image
        let id = servers[server].id
        let raft: Raft
        do {
            raft = try Raft(
                id: id, configuration: configuration, settings: options.settings,
                seed: generator.next(), restoring: state, at: Instant(milliseconds: now))
        } catch {
            throw Violation("restart", "\(id) cannot start: \(error)")
        }
        servers[server].machine = LatchMachine(limits: options.limits)
        if let snapshot = state.snapshot { try restoreMachine(server, snapshot) }
        servers[server].lastAppliedTerm = state.snapshot?.lastIncludedTerm ?? .zero
        servers[server].lastSnapshotIndex = servers[server].machine.lastApplied
        servers[server].lastPersistID = PersistID(0)
        try observer.noteStart(server, raft)
        trace.note("\(id) starts: \(raft.status.summary)")
        trace.fold(1, UInt64(server), raft.currentTerm.rawValue, raft.log.lastIndex.rawValue)
        servers[server].raft = raft
        scheduleTimer(server)
        queue.add(.upkeep(server: server, life: servers[server].life), at: now + 20)
    }

    mutating func post(_ work: SimulatedServer.Work, to server: Int) {
        // A kernel buffer holds only so much for a process that does not read.
        if servers[server].isPaused, servers[server].inbox.count > 200 { return }
        servers[server].inbox.append(work)
        scheduleTurn(server, after: generator.draw(from: options.turnDelayMilliseconds))
    }

    mutating func scheduleTurn(_ server: Int, after delay: UInt64) {
        guard servers[server].isRunning, !servers[server].isTurnScheduled else { return }
        servers[server].isTurnScheduled = true
        queue.add(.turn(server: server, life: servers[server].life), at: now + delay)
    }

    /// One pending timer event is enough while it is not later than the deadline: it then looks
    /// again.
    private mutating func scheduleTimer(_ server: Int) {
        guard let deadline = servers[server].raft?.deadline.milliseconds else { return }
        if let pending = servers[server].timerAt, pending <= deadline { return }
        let time = max(now, deadline)
        servers[server].timerAt = time
        servers[server].timerNumber += 1
        queue.add(
            .timer(
                server: server, life: servers[server].life, number: servers[server].timerNumber),
            at: time)
    }

    mutating func fireTimer(_ server: Int) {
        servers[server].timerAt = nil
        guard let deadline = servers[server].raft?.deadline.milliseconds else { return }
        if deadline <= now { scheduleTurn(server, after: 0) } else { scheduleTimer(server) }
    }

    /// One turn: some of the waiting inputs are stepped into one `Effects`, which is then executed.
    mutating func turn(_ server: Int) throws(Violation) {
        guard servers[server].isRunning else {
            servers[server].isTurnScheduled = false
            return
        }
        servers[server].isTurnScheduled = false
        let waiting = servers[server].inbox.count
        let count =
            generator.happens(permille: 700) ? waiting : min(waiting, 1 + generator.below(3))
        let work = Array(servers[server].inbox.prefix(count))
        servers[server].inbox.removeFirst(count)
        var effects = Effects()
        // The timer is late, early or in between; the core may only trust its argument.
        let timerPosition = generator.below(count + 1)
        for position in 0...count {
            if position == timerPosition { try stepTimer(server, &effects) }
            guard position < count else { break }
            switch work[position] {
            case .input(let input): try step(server, input, &effects)
            case .request(let request, let hops):
                try serve(request, at: server, hops: hops, &effects)
            }
        }
        try stepTimer(server, &effects)
        try execute(effects, at: server)
        if !servers[server].inbox.isEmpty { scheduleTurn(server, after: 0) }
        scheduleTimer(server)
    }

    private mutating func stepTimer(_ server: Int, _ effects: inout Effects) throws(Violation) {
        guard let deadline = servers[server].raft?.deadline, deadline.milliseconds <= now
        else { return }
        try step(server, .timerFired, &effects)
        guard let next = servers[server].raft?.deadline else { return }
        try require(
            next.milliseconds > now, "I19 bounds",
            "\(servers[server].id) has its timer fire for ever at \(now)")
    }

    /// One input, then every check that concerns this server.
    mutating func step(
        _ server: Int, _ input: Input, _ effects: inout Effects
    ) throws(Violation) {
        marks.steps += 1
        if case .persisted(let id) = input { try release(id, at: server) }
        if case .read(let id) = input { noteRead(id, at: server) }
        let decided = effects.decisions.count
        let sent = effects.sendNow.count
        servers[server].raft?.step(input, at: Instant(milliseconds: now), into: &effects)
        guard let raft = servers[server].raft else { return }
        trace.fold(
            2, now, UInt64(server), raft.currentTerm.rawValue, raft.commitIndex.rawValue,
            raft.log.lastIndex.rawValue, UInt64(effects.decisions.count))
        traceStep(server, input, effects.decisions[decided...])
        for decision in effects.decisions[decided...] { note(decision, of: server) }
        try observer.noteStep(server, raft)
        // A later step of this turn may replace the entries that this one's answer speaks of.
        for envelope in effects.sendNow.dropFirst(sent) {
            try servers[server].disk.checkPromise(envelope, log: raft.log)
        }
    }

    private mutating func traceStep(
        _ server: Int, _ input: Input, _ decisions: ArraySlice<Decision>
    ) {
        trace.note(
            "\(servers[server].id) < \(input.summary)"
                + decisions.map { "\n           \($0)" }.joined())
    }

    private mutating func note(_ decision: Decision, of server: Int) {
        switch decision {
        case .becameLeader: planAmbush(on: server)
        case .truncated: mark(\.truncations)
        case .installedSnapshot(_, let keptSuffix):
            mark(keptSuffix ? \.installsWithSuffix : \.installedSnapshots)
        case .tookSnapshot: mark(\.takenSnapshots)
        case .sentTimeoutNow: mark(\.transfers)
        case .hastenedCampaign: mark(\.hastenedCampaigns)
        case .heldRead: mark(\.heldReads)
        case .steppedDown(_, .quorumLost): mark(\.quorumLosses)
        case .refusedVote(_, _, _, .logBehind): mark(\.refusedByLog)
        case .steppedDown, .refusedVote, .adoptedTerm, .followed, .startedPreVote,
            .startedElection, .lostElection, .countedVote, .grantedVote,
            .clearedEvidence, .appended, .refusedAppend, .committed, .probing, .replicating,
            .refusedProposals, .beganReadRound, .sendingSnapshot, .discardedSnapshot,
            .compactedLog, .startedTransfer, .abortedTransfer, .ignoredTransfer, .ignored,
            .ignoredMessage:
            break
        }
    }

    private mutating func noteRead(_ id: ReadID, at server: Int) {
        servers[server].openReads.append((id, observer.commitIndex))
    }
}

extension Input {
    /// The input in a few words.
    package var summary: String {
        switch self {
        case .received(let message): "from \(message.from): \(message.summary)"
        case .timerFired: "timer"
        case .persisted(let id): "persisted \(id)"
        case .propose(let proposals): "\(proposals.count) proposals"
        case .read(let id): "read \(id.rawValue)"
        case .snapshotTaken(let snapshot): "snapshot taken at \(snapshot.lastIncludedIndex)"
        case .transferLeadership(let target):
            "hand over to \(target.map(\.description) ?? "anybody")"
        case .peerUnreachable(let server): "\(server) is unreachable"
        case .peerReachable(let server): "\(server) is reachable"
        }
    }
}
