import LatchNode
import RaftCore

// I19: nothing that clients or silent servers can do makes a node keep more than its limits.

extension Simulation {
    /// What clients can make a node keep. Reads are counted apart from calls; for each call
    /// that is held the node asks again and again for the gap to be closed, until one such call of
    /// its own is decided; and openings of streams that are under way count as calls.
    func checkBounds(
        _ status: NodeStatus, of process: SimulatedProcess
    ) throws(Violation) {
        let calls = process.maximumPendingCalls
        let asked = 1 + options.requestTimeoutMilliseconds / options.gapTimeoutMilliseconds
        try require(
            status.pendingCalls <= calls * (2 + Int(asked)), "I19 bounds",
            "\(process.id) keeps \(status.pendingCalls) calls and reads for a limit of \(calls)")
        let streams = options.maximumSubscribers
        try require(
            status.subscribers <= streams + calls, "I19 bounds",
            "\(process.id) serves \(status.subscribers) streams, at most \(streams)")
    }

    /// What a leader took and has not committed or written yet, and what is on its way to one
    /// follower. Where nothing waits, one entry goes whatever its size. What it inherited may be
    /// more: it is what leaders before it took, and it may not know yet that it is committed.
    func checkBytes(of process: SimulatedProcess, _ raft: Raft) throws(Violation) {
        guard raft.role == .leader else { return }
        let limit = options.settings.maximumUncommittedBytes
        let uncommitted = raft.log.slice(
            from: raft.commitIndex.next(), through: raft.log.lastIndex)
        for (waiting, place) in [
            (uncommitted.bytes(of: raft.currentTerm), "past its commitIndex"),
            (process.disk.queuedBytes(of: raft.currentTerm), "before its disk"),
        ] {
            try require(
                waiting.sum <= limit || waiting.sum == waiting.largest, "I19 bounds",
                "\(process.id) has \(waiting.sum) bytes \(place) for a limit of \(limit)")
        }
        for follower in raft.status.followers where follower.mode == .replicate {
            try checkWindow(to: follower, of: process, raft)
        }
    }

    /// All but the last message fit the window of bytes, and that one fits its own limit, or is one
    /// entry. Messages hold one entry at least.
    private func checkWindow(
        to follower: FollowerStatus, of process: SimulatedProcess, _ raft: Raft
    ) throws(Violation) {
        let settings = options.settings
        let first = max(follower.matchIndex.next(), raft.log.firstIndex)
        let sent = raft.log.slice(from: first, through: follower.nextIndex.previous())
        let bytes = sent.dropLast().reduce(0) { $0 + $1.payload.count }
        try require(
            bytes < settings.maximumInFlightBytes + settings.maximumBytesPerAppend
                && sent.count <= settings.maximumInFlightAppends * settings.maximumEntriesPerAppend,
            "I19 bounds",
            "\(process.id) has \(sent.count) entries on their way to \(follower.id), "
                + "\(bytes) bytes before the last")
    }
}

extension Sequence<Entry> {
    /// The payload bytes of the entries of `term`, and of the largest of them.
    fileprivate func bytes(of term: Term) -> (sum: Int, largest: Int) {
        reduce(into: (sum: 0, largest: 0)) { result, entry in
            guard entry.term == term else { return }
            result.sum += entry.payload.count
            result.largest = Swift.max(result.largest, entry.payload.count)
        }
    }
}

extension SimulatedDisk {
    fileprivate func queuedBytes(of term: Term) -> (sum: Int, largest: Int) {
        queue.lazy.flatMap(\.append).bytes(of: term)
    }
}
