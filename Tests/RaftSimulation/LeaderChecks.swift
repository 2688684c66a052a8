import LatchNode
import RaftCore

// What a leader relies on is so: its votes, what it believes of the others, and that it is heard.

extension Simulation {
    /// I1: the votes of a majority are on their disks when a server begins to lead.
    func checkVotes(for process: SimulatedProcess, in term: Term) throws(Violation) {
        let votes = processes.filter { $0.disk.votes[term] == process.id }.count
        try require(
            votes > processes.count / 2, "I1 election safety",
            "\(process.id) leads term \(term) with \(votes) of \(processes.count) votes on disks")
    }

    /// After each turn of a leader.
    func checkLeader(_ process: SimulatedProcess, _ raft: Raft) throws(Violation) {
        guard raft.role == .leader, processes.count > 1 else { return }
        try checkBeliefs(of: process, raft)
        try checkQuorum(of: process)
    }

    /// I7: what a leader counts for a follower is on that follower's disk. A follower of a later
    /// term owes this leader nothing any more.
    private func checkBeliefs(of process: SimulatedProcess, _ raft: Raft) throws(Violation) {
        let term = raft.currentTerm
        for follower in processes where follower.position != process.position {
            let index = raft.matchIndex(of: follower.id)
            guard index > .zero, follower.disk.image.currentTerm <= term else { continue }
            try require(
                follower.disk.holds(index, term: raft.log.term(at: index)),
                "I7 what a leader believes",
                "\(process.id) counts \(index) for \(follower.id), whose disk does not hold it")
        }
    }

    /// C7: a reply of an earlier term changes nothing that a leader believes, and makes it say
    /// nothing. A copy of the server takes it before the server itself does.
    func checkLateReply(_ message: Message, to process: SimulatedProcess) throws(Violation) {
        guard let node = process.node, node.raft.role == .leader,
            message.term < node.raft.currentTerm, message.isReplyToLeader
        else { return }
        let raft = node.raft
        var copy = raft
        var effects = Effects()
        copy.step(.received(message), at: Instant(milliseconds: 0), into: &effects)
        let (before, after) = (raft.status.followers, copy.status.followers)
        let isSame = zip(before, after).allSatisfy { one, other in
            one.matchIndex == other.matchIndex && one.nextIndex == other.nextIndex
                && one.mode == other.mode
        }
        mark(.lateReply)
        if case .appendEntriesReply(let reply) = message.body,
            case .matched(let index) = reply.result,
            let known = before.first(where: { $0.id == message.from }), index > known.matchIndex
        {
            mark(.lateReplyBeyondMatch)
        }
        try require(
            isSame && copy.commitIndex == raft.commitIndex && effects.reads.isEmpty
                && effects.sendNow.isEmpty && effects.sendAfterPersist.isEmpty,
            "C7 late reply",
            "\(process.id), leader of term \(raft.currentTerm), counts a reply of "
                + "\(message.from) of term \(message.term)")
    }

    /// C3: a leader that heard no majority for the longest election timeout leads no more. Its
    /// clock may be 5 % slow, and its turns late.
    private func checkQuorum(of process: SimulatedProcess) throws(Violation) {
        let bound = options.settings.electionTimeoutMilliseconds.upperBound * 106 / 100 + 50
        var recent = 0
        for (position, heard) in process.heard.enumerated() where position != process.position {
            if now <= max(heard, process.ledSince) + bound { recent += 1 }
        }
        // With itself it makes a majority.
        try require(
            recent >= processes.count / 2, "C3 leads without a majority",
            "\(process.id) has heard no majority for \(bound) ms")
    }
}

extension Message {
    var isReplyToLeader: Bool {
        switch body {
        case .appendEntriesReply, .installSnapshotReply: true
        case .requestVote, .requestVoteReply, .appendEntries, .installSnapshot, .timeoutNow: false
        }
    }
}
