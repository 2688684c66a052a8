import LatchMachine
import RaftCore

/// What the second phase has seen so far (I20). T is the upper end of the election timeout.
struct Judgement: Sendable {
    var healedAt: UInt64 = 0
    /// When a leader that is ready was first seen after the heal.
    var ledSince: UInt64?
    var term = Term.zero
    var leader: ServerID?
    var probe: ReadID?
    var isProbeGranted = false
    /// Where the last command stands, while it is not lost.
    var command: LogPosition?
    var agreedAt: UInt64?
    var isDone = false

    mutating func noteRead(_ id: ReadID) {
        if id == probe { isProbeGranted = true }
    }
}

extension Simulation {
    private var timeout: UInt64 { options.settings.electionTimeoutMilliseconds.upperBound }

    /// Everything is well again: what the cluster does from now on, it has to do within bounds.
    mutating func endFaults() throws(Violation) {
        areFaultsOver = true
        network.healForGood()
        trace.note("all faults end")
        judgement.healedAt = now
        for server in servers.indices {
            servers[server].isSlow = false
            resume(server)
            if servers[server].raft == nil { try start(server) }
            for peer in servers where peer.id != servers[server].id {
                noteEvidence(server, peer.id, isReachable: true)
            }
        }
        queue.add(.judge, at: now + timeout)
    }

    /// Every election timeout: is there a leader, does everybody agree, does the term stand still?
    mutating func judge() throws(Violation) {
        let elapsed = now - judgement.healedAt
        queue.add(.judge, at: now + timeout)
        guard
            let leader = servers.indices.first(where: { servers[$0].raft?.isReadyToServe == true })
        else {
            try require(
                elapsed < 20 * timeout, "I20 liveness",
                "no leader \(elapsed) ms after the last fault: " + summaries)
            judgement.ledSince = nil
            return
        }
        if judgement.ledSince == nil { judgement.ledSince = now }
        if elapsed < 3 * timeout { return }
        areClientsStopped = true
        if judgement.agreedAt != nil {
            if isInAgreement(with: leader) { return try judgeCalm(leader) }
            // A straggling call of a client came after all: the calm begins anew.
            judgement.agreedAt = nil
        }
        if isInAgreement(with: leader) {
            judgement.agreedAt = now
            judgement.term = servers[leader].raft?.currentTerm ?? .zero
            judgement.leader = servers[leader].id
        }
        try askAgain(at: leader)
        try require(
            elapsed < agreementBound(at: leader), "I20 liveness",
            "no agreement \(elapsed) ms after the last fault, read granted: "
                + "\(judgement.isProbeGranted), command: \(isCommandApplied)" + summaries)
    }

    /// A follower that lacks the whole log gets it entry by entry where the seed's settings are
    /// smallest.
    private func agreementBound(at leader: Int) -> UInt64 {
        60 * timeout + 15 * (servers[leader].raft?.log.lastIndex.rawValue ?? 0)
    }

    /// A last command and a last read show that service goes on. A refusal may be right, for a
    /// while.
    private mutating func askAgain(at leader: Int) throws(Violation) {
        var effects = Effects()
        if !judgement.isProbeGranted {
            let id = ReadID(nextNumber(at: leader))
            judgement.probe = id
            try step(leader, .read(id), &effects)
        }
        if !isCommandApplied {
            try serve(
                ClientRequest(
                    client: -1, call: 0, origin: -1,
                    command: .openSession(
                        PrimitiveName(namespace: "sim", name: "last"), timeoutMilliseconds: 60_000)),
                at: leader, hops: 1, &effects)
        }
        if case .appended(let index, let term) = effects.proposals.last?.result {
            judgement.command = LogPosition(index: index, term: term)
        }
        try execute(effects, at: leader)
    }

    private var isCommandApplied: Bool {
        guard let position = judgement.command else { return false }
        return observer.committedTerm(at: position.index) == position.term
    }

    /// All logs equal, all of them applied everywhere, the read granted, the command applied.
    private func isInAgreement(with leader: Int) -> Bool {
        guard let status = servers[leader].raft?.status, judgement.isProbeGranted, isCommandApplied
        else { return false }
        return servers.allSatisfy { server in
            guard let other = server.raft?.status else { return false }
            return other.lastLogIndex == status.lastLogIndex
                && other.lastApplied == status.lastLogIndex
                && other.durableIndex == status.lastLogIndex
                && other.leader == servers[leader].id
        }
    }

    /// After agreement nothing changes any more, and all machines hold the same bytes.
    private mutating func judgeCalm(_ leader: Int) throws(Violation) {
        guard let agreedAt = judgement.agreedAt, now - agreedAt >= 2 * timeout else { return }
        for server in servers {
            try require(
                server.raft?.currentTerm == judgement.term
                    && server.raft?.leader == judgement.leader,
                "I20 liveness", "terms still grow without faults: " + summaries)
        }
        let bytes = servers[leader].machine.encodeSnapshot()
        for server in servers {
            try require(
                server.machine.encodeSnapshot() == bytes, "I8 state machine safety",
                "\(server.id) and \(servers[leader].id) hold different states")
        }
        judgement.isDone = true
    }

    private var summaries: String {
        servers.map { "\n  \($0.id): \($0.raft?.status.summary ?? "dead")" }.joined()
    }
}
