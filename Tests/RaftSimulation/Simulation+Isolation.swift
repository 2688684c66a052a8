import LatchNode
import RaftCore

// A server alone, for longer than an election takes, and some clients stay with it.

extension Simulation {
    /// Cuts a leader off for two to eight election timeouts: from everybody, or only from what it
    /// should hear, or only from those who should hear it. Other faults of the network wait.
    func isolate(_ process: SimulatedProcess) {
        guard processes.count > 1 else { return }
        let length = lengthOfIsolation()
        let way = generator.below(4)
        let (hears, isHeard) = (way == 3, way == 2)
        network.healCuts()
        network.cutOff(process.position, hears: hears, isHeard: isHeard)
        isolationEnd = now + length
        if isLeader(process) { mark(hears || isHeard ? .halfIsolatedLeader : .isolatedLeader) }
        trace.note(
            "\(process.id) is alone for \(length) ms, hears: \(hears), is heard: \(isHeard)")
        stick(to: process, for: length)
        healNetwork(after: length)
    }

    /// Waits until a follower serves streams, and cuts it off, so that a snapshot may overtake it:
    /// its subscribers stay and must learn of what they missed. No other fault begins meanwhile.
    func strand() {
        guard !isStrandAwaited else { return }
        isStrandAwaited = true
        strandWhenServing()
    }

    private func strandWhenServing() {
        guard !areFaultsOver else { return }
        let serving = processes.filter {
            $0.isRunning && !isLeader($0) && ($0.node?.status.subscribers ?? 0) > 0
        }
        guard !serving.isEmpty, processes.contains(where: isLeader), now >= isolationEnd else {
            return time.after(10) { [self] in strandWhenServing() }
        }
        isStrandAwaited = false
        let process = generator.pick(serving)
        let length = lengthOfIsolation()
        mark(.stranded)
        network.healCuts()
        network.cutOff(process.position)
        isolationEnd = now + length
        calmEnd = now + length
        trace.note("the network strands \(process.id) for \(length) ms")
        healNetwork(after: length)
    }

    private func lengthOfIsolation() -> UInt64 {
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        return generator.draw(from: (2 * timeout)...(8 * timeout))
    }

    /// A share of the clients knows only `process` for a while, and reads there in haste; the
    /// others find the new leader, and change what is read.
    func stick(to process: SimulatedProcess, for length: UInt64) {
        for client in clients where generator.happens(permille: options.clients.stickyPermille) {
            client.favourite = process.position
            time.after(length) {
                if client.favourite == process.position { client.favourite = nil }
            }
        }
    }

    /// A client asks `process`: does it still believe that it leads, while others go on without it?
    func noteAsked(_ process: SimulatedProcess) {
        guard let raft = process.node?.raft, raft.role == .leader,
            observer.newestLedTerm > raft.currentTerm
        else { return }
        mark(.askedOldLeader)
        if observer.commitIndex > raft.commitIndex { mark(.askedOldLeaderAfterCommit) }
    }
}
