import LatchMachine
import LatchNode
import RaftCore

/// What the second phase has seen so far (I20). T is the upper end of the election timeout.
struct Judgement {
    var healedAt: UInt64 = 0
    /// When a leader that is ready was first seen after the heal.
    var ledSince: UInt64?
    var term = Term.zero
    var leader: ServerID?
    /// When the clients stopped, or the last session since then ended: many of them take their
    /// time where each entry ends one and waits for a round trip.
    var quietSince: UInt64?
    var openSessions = Int.max
    var isReadAnswered = false
    var isCommandAnswered = false
    var agreedAt: UInt64?
    var isDone = false
}

extension Simulation {
    private var timeout: UInt64 { options.settings.electionTimeoutMilliseconds.upperBound }

    /// Everything is well again: what the cluster does from now on, it has to do within bounds.
    func endFaults() {
        areFaultsOver = true
        network.healForGood()
        releaseHold()
        trace.note("all faults end")
        judgement.healedAt = now
        for process in processes {
            process.isSlow = false
            process.diskFault = nil
            resume(process)
            start(process)
        }
        time.after(timeout) { [self] in judge() }
    }

    /// Every election timeout: is there a leader, does everybody agree, does the term stand still?
    private func judge() {
        guard !judgement.isDone else { return }
        time.after(timeout) { [self] in judge() }
        check { () throws(Violation) in try judgeNow() }
    }

    private func judgeNow() throws(Violation) {
        let elapsed = now - judgement.healedAt
        // Messages that are late are still on their way: some are of a leader that is gone, and
        // count as heard from it.
        let quiet = now - min(now, max(judgement.healedAt, network.lastStraggler))
        guard let leader = processes.first(where: { $0.node?.raft.isReadyToServe == true }) else {
            try require(
                quiet < 10 * timeout && elapsed < 20 * timeout, "I20 liveness",
                "no leader \(elapsed) ms after the last fault, \(quiet) ms after the last message "
                    + "from before: " + summaries)
            judgement.ledSince = nil
            return
        }
        if judgement.ledSince == nil { judgement.ledSince = now }
        if elapsed < 4 * timeout { return }
        askAgain()
        let bound = agreementBound
        let isServed = judgement.isReadAnswered && judgement.isCommandAnswered
        try require(
            isServed || elapsed < bound, "I20 liveness",
            "no service \(elapsed) ms after the last fault, read: \(judgement.isReadAnswered), "
                + "command: \(judgement.isCommandAnswered)" + summaries)
        guard isServed else { return }
        if !areClientsStopped {
            areClientsStopped = true
            judgement.quietSince = now
        }
        try judgeEnd(leader, bound: bound + (judgement.quietSince ?? now) - judgement.healedAt)
    }

    /// A follower that lacks the whole log gets it entry by entry where the seed's settings are
    /// smallest.
    private var agreementBound: UInt64 {
        60 * timeout + 15 * observer.commitIndex.rawValue
    }

    /// I16: sessions whose clients are silent expire: at last after their timeout, the grace of
    /// each election and what passed since the leader's last stamp.
    private var expiryBound: UInt64 {
        2 * options.clients.sessionTimeoutMilliseconds.upperBound + 2 * options.graceMilliseconds
            + 2_000 + 20 * timeout + 200 * UInt64(truth.latches.openCount)
    }

    /// A last command and a last read, through any node, show that service goes on.
    private func askAgain() {
        if !judgement.isReadAnswered {
            submit(to: generator.pick(processes)) {
                .read(.primitives(namespace: nil), $0)
            } answer: { [self] result in
                if case .primitives = result { judgement.isReadAnswered = true }
            }
        }
        if !judgement.isCommandAnswered {
            let name = PrimitiveName(namespace: "sim", name: "last")
            submit(to: generator.pick(processes)) {
                .command(.openSession(name, timeoutMilliseconds: 100), $0)
            } answer: { [self] result in
                if case .answer(.sessionOpened, _) = result {
                    judgement.isCommandAnswered = true
                }
            }
        }
    }

    /// Every session expires, every stream gets its end, then nothing changes any more.
    private func judgeEnd(_ leader: SimulatedProcess, bound: UInt64) throws(Violation) {
        if truth.latches.openCount < judgement.openSessions {
            judgement.openSessions = truth.latches.openCount
            judgement.quietSince = now
        }
        let quiet = now - (judgement.quietSince ?? now)
        guard truth.latches.openCount == 0 else {
            return try require(
                quiet < expiryBound, "I16 expires at last",
                "\(truth.latches.openCount) sessions live \(quiet) ms after the last one ended")
        }
        let open = clients.flatMap(\.openStreams)
        let agrees = isInAgreement(with: leader)
        if agrees, open.isEmpty, judgement.agreedAt == nil {
            judgement.agreedAt = now
            judgement.term = leader.node?.raft.currentTerm ?? .zero
            judgement.leader = leader.id
        }
        guard let agreedAt = judgement.agreedAt, agrees else {
            judgement.agreedAt = nil
            try require(
                quiet < expiryBound + bound, "I20 liveness",
                "no agreement \(quiet) ms after the last call" + summaries)
            return try require(
                open.isEmpty || quiet < expiryBound + 40 * timeout, "I17 event streams",
                "no end \(quiet) ms after the last call: " + open.joined(separator: "; "))
        }
        if now - agreedAt >= 2 * timeout { try judgeCalm(leader) }
    }

    /// All logs equal, all of them applied everywhere.
    private func isInAgreement(with leader: SimulatedProcess) -> Bool {
        guard let status = leader.node?.raft.status else { return false }
        return processes.allSatisfy { process in
            guard let other = process.node?.raft.status else { return false }
            return other.lastLogIndex == status.lastLogIndex
                && other.lastApplied == status.lastLogIndex
                && other.durableIndex == status.lastLogIndex
                && other.leader == leader.id
        }
    }

    /// After agreement nothing changes any more, and all machines hold the same bytes.
    private func judgeCalm(_ leader: SimulatedProcess) throws(Violation) {
        let bytes = truth.machine.encodeSnapshot()
        for process in processes {
            try require(
                process.node?.raft.currentTerm == judgement.term
                    && process.node?.raft.leader == judgement.leader,
                "I20 liveness", "terms still grow without faults: " + summaries)
            try require(
                process.node?.machine.encodeSnapshot() == bytes, "I8 state machine safety",
                "\(process.id) holds another state than its log gives")
        }
        for (watcher, name) in zip(watchers, SimulatedClient.names) {
            try require(
                watcher.knows(truth.machine.latchState(name)), "I25 observers",
                "an observer of \(name) was not shown how it ended: "
                    + String(describing: watcher.lastState))
        }
        judgement.isDone = true
    }

    private var summaries: String {
        processes.map { "\n  \($0.id): \($0.node?.raft.status.summary ?? "dead")" }.joined()
    }
}
