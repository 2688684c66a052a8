import BinaryCoding
package import RaftCore

/// Watches all servers from outside and knows the one true history of the cluster (Figure 3).
package struct RaftObserver: Sendable {
    private struct Position: Hashable {
        let index: LogIndex
        let term: Term
    }

    private struct Committed {
        let term: Term
        let chain: UInt64
        /// The term of the server that first applied it: at least the term of the leader that
        /// committed it.
        let committedIn: Term
        /// The machine's digest after this entry.
        var digest: UInt64?
    }

    /// What was last seen of one server's memory; a crash clears the parts that may fall.
    private struct View {
        var term = Term.zero
        var vote: ServerID?
        var commitIndex = LogIndex.zero
        var lastIndex = LogIndex.zero
        var isLeader = false
    }

    private var leaders: [Term: ServerID] = [:]
    /// A hash of each entry ever seen and of all before it: equal means equal logs up to there
    /// (I4).
    private var chains: [Position: UInt64] = [:]
    private var committed: [Committed] = []
    private var snapshots: [LogIndex: UInt32] = [:]
    private var views: [View]
    private(set) var electionCount = 0
    private(set) var newestLedTerm = Term.zero

    package init(count: Int) {
        views = Array(repeating: View(), count: count)
    }

    /// The highest index that any server has committed.
    var commitIndex: LogIndex { LogIndex(UInt64(committed.count)) }

    /// A server came back with what its disk remembers.
    package mutating func noteStart(_ server: Int, _ raft: Raft) throws(Violation) {
        views[server] = View(
            term: raft.currentTerm, vote: raft.votedFor, commitIndex: raft.commitIndex,
            lastIndex: raft.log.lastIndex)
        try noteLog(of: raft, from: raft.log.firstIndex)
    }

    /// After every single step of every server.
    mutating func noteStep(_ server: Int, _ raft: Raft) throws(Violation) {
        let old = views[server]
        try require(
            raft.currentTerm >= old.term, "I2 term and vote",
            "\(raft.id) went from term \(old.term) to \(raft.currentTerm)")
        try require(
            raft.currentTerm > old.term || old.vote == nil || raft.votedFor == old.vote,
            "I2 term and vote", "\(raft.id) changed its vote in term \(old.term)")
        try require(
            raft.commitIndex >= old.commitIndex && raft.lastApplied <= raft.commitIndex
                && raft.commitIndex <= raft.log.lastIndex,
            "I9 index chain", "\(raft.id): \(raft.status.summary)")
        let isLeader = raft.role == .leader
        if isLeader, old.isLeader, old.term == raft.currentTerm {
            try require(
                raft.log.lastIndex >= old.lastIndex, "I3 leader append-only",
                "\(raft.id) cut its log from \(old.lastIndex) to \(raft.log.lastIndex)")
        }
        if isLeader, old.isLeader, old.term == raft.currentTerm, raft.commitIndex > old.commitIndex
        {
            try require(
                raft.log.term(at: raft.commitIndex) == raft.currentTerm, "§5.4.2 commit rule",
                "\(raft.id) commits \(raft.commitIndex) of an earlier term by counting")
        }
        if isLeader, leaders[raft.currentTerm] != raft.id { try noteElection(raft) }
        views[server] = View(
            term: raft.currentTerm, vote: raft.votedFor, commitIndex: raft.commitIndex,
            lastIndex: raft.log.lastIndex, isLeader: isLeader)
    }

    private mutating func noteElection(_ raft: Raft) throws(Violation) {
        if let other = leaders[raft.currentTerm] {
            throw Violation(
                "I1 election safety", "\(other) and \(raft.id) both led term \(raft.currentTerm)")
        }
        leaders[raft.currentTerm] = raft.id
        newestLedTerm = max(newestLedTerm, raft.currentTerm)
        electionCount += 1
        var index = max(raft.log.firstIndex, LogIndex(1))
        // A candidate of an old term may win late: it owes nothing to terms after its own.
        while index <= commitIndex {
            let entry = committed[Int(index.rawValue) - 1]
            guard entry.committedIn < raft.currentTerm else { return }
            try require(
                raft.log.term(at: index) == entry.term, "I5 leader completeness",
                "\(raft.id) leads term \(raft.currentTerm) without \(index)@\(entry.term), "
                    + "committed in term \(entry.committedIn)")
            index = index.next()
        }
    }

    /// The log of `raft` is new from `first` on: the same index and term must mean the same entries
    /// (I4).
    mutating func noteLog(of raft: Raft, from first: LogIndex) throws(Violation) {
        var index = max(first, raft.log.firstIndex)
        guard index <= raft.log.lastIndex else { return }
        var chain = chainBefore(index, in: raft.log)
        while index <= raft.log.lastIndex {
            guard let entry = raft.log.entry(at: index) else {
                throw Violation("I9 index chain", "\(raft.id) has no entry \(index)")
            }
            let position = Position(index: index, term: entry.term)
            let known = chains[position]
            let computed = chain.map { RaftObserver.chain(after: $0, entry) }
            if let known, let computed, known != computed {
                throw Violation(
                    "I4 log matching", "\(raft.id) has another history of \(index)@\(entry.term)")
            }
            guard let value = known ?? computed else {
                throw Violation(
                    "I4 log matching", "\(raft.id) has \(index)@\(entry.term), which nobody made")
            }
            chains[position] = value
            chain = value
            index = index.next()
        }
    }

    private func chainBefore(_ index: LogIndex, in log: Log) -> UInt64? {
        let previous = index.previous()
        if previous == .zero { return 0 }
        return log.term(at: previous).flatMap { chains[Position(index: previous, term: $0)] }
    }

    private static func chain(after previous: UInt64, _ entry: Entry) -> UInt64 {
        var checksum = CRC32C()
        checksum.update(previous)
        checksum.update(entry.index.rawValue)
        checksum.update(entry.term.rawValue)
        checksum.update(entry.payload)
        return UInt64(checksum.value) << 32 | (entry.index.rawValue & 0xFFFF_FFFF)
    }

    /// A server hands an entry to its machine. True if nobody has applied this index before.
    package mutating func noteApplied(
        _ entry: Entry, by id: ServerID, in term: Term, disks: some Collection<SimulatedDisk>
    ) throws(Violation) -> Bool {
        guard let chain = chains[Position(index: entry.index, term: entry.term)] else {
            throw Violation(
                "I6 committed is for ever", "\(id) applies \(entry.index), unseen before")
        }
        if entry.index <= commitIndex {
            let known = committed[Int(entry.index.rawValue) - 1]
            try require(
                known.term == entry.term && known.chain == chain, "I6 committed is for ever",
                "\(id) applies \(entry.index)@\(entry.term), committed was term \(known.term)")
            return false
        }
        try require(
            entry.index == commitIndex.next(), "I9 index chain",
            "\(id) applies \(entry.index) after \(commitIndex)")
        let holders = disks.filter { $0.holds(entry.index, term: entry.term) }.count
        try require(
            holders > disks.count / 2, "I7 committed on a durable majority",
            "\(id) commits \(entry.index)@\(entry.term), durable on \(holders) of \(disks.count)")
        committed.append(Committed(term: entry.term, chain: chain, committedIn: term))
        return true
    }

    /// The machine's digest after `index` is the same on every server (I8).
    mutating func noteDigest(
        _ digest: UInt64, at index: LogIndex, of id: ServerID
    ) throws(Violation) {
        guard index > .zero else { return }
        guard index <= commitIndex else {
            throw Violation("I8 state machine safety", "\(id) has applied \(index), uncommitted")
        }
        let position = Int(index.rawValue) - 1
        guard let known = committed[position].digest else {
            committed[position].digest = digest
            return
        }
        try require(
            known == digest, "I8 state machine safety", "\(id) has another state after \(index)")
    }

    /// Snapshots of one index are equal, byte for byte (I8, I22). True if this is the first of its
    /// index.
    mutating func noteSnapshot(
        _ data: [UInt8], at index: LogIndex, of id: ServerID
    ) throws(Violation) -> Bool {
        let checksum = CRC32C.checksum(data)
        guard let known = snapshots[index] else {
            snapshots[index] = checksum
            return true
        }
        try require(
            known == checksum, "I8 state machine safety",
            "\(id) has other snapshot bytes at \(index)")
        return false
    }

    /// A committed entry leaves a disk through a snapshot that holds it. Or by order of a leader of
    /// an earlier term than the one in which it was committed, whose message comes late: that
    /// leader need not have it, and this disk is none of the majority that does.
    package func checkTruncation(
        _ persist: Persist, of disk: SimulatedDisk, _ id: ServerID,
        disks: some Collection<SimulatedDisk>
    ) throws(Violation) {
        guard let first = persist.truncateFrom, !persist.resetsLog else { return }
        let term = persist.vote?.currentTerm ?? disk.image.currentTerm
        for entry in disk.image.entries where entry.index >= first {
            guard entry.index <= commitIndex else { return }
            let known = committed[Int(entry.index.rawValue) - 1]
            guard known.term == entry.term else { continue }
            let holders = disks.filter { $0.holds(entry.index, term: entry.term) }.count - 1
            try require(
                term < known.committedIn && holders > disks.count / 2, "I6 committed is for ever",
                "\(id) deletes the committed \(entry.index)@\(entry.term) in term \(term), "
                    + "\(holders) others have it")
        }
    }
}
