import RaftCore

// I10, durable before send: what a message promises is on the sender's disk when it leaves.

extension SimulatedDisk {
    /// Checks one message that leaves now.
    ///
    /// - Parameter log: the sender's log, for messages that waited for no disk write.
    func checkPromise(_ envelope: Envelope, log: Log?) throws(Violation) {
        let message = envelope.message
        switch message.body {
        case .requestVote(let request):
            if request.isPreVote { return }
            try checkTerm(message)
            try checkVote(for: message.from, in: message.term, "asks for votes")
        case .requestVoteReply(let reply):
            if reply.isPreVote, reply.voteGranted { return }
            try checkTerm(message)
            if reply.voteGranted {
                try checkVote(for: envelope.to, in: message.term, "grants a vote")
            }
        case .appendEntriesReply(let reply):
            try checkTerm(message)
            if case .matched(let index) = reply.result {
                try checkMatch(index, log, message)
            }
        case .installSnapshotReply(let reply):
            try checkTerm(message)
            if case .installed(let index) = reply.result {
                try checkMatch(index, log, message)
            }
        case .appendEntries, .installSnapshot, .timeoutNow:
            try checkTerm(message)
        }
    }

    private func checkTerm(_ message: Message) throws(Violation) {
        try require(
            image.currentTerm >= message.term, "I10 durable before send",
            "\(message.from) states term \(message.term), its disk holds \(image.currentTerm)")
    }

    private func checkVote(
        for candidate: ServerID, in term: Term, _ act: String
    ) throws(Violation) {
        try require(
            votes[term] == candidate, "I10 durable before send",
            "a server \(act) in term \(term) for \(candidate), which its disk does not hold")
    }

    private func checkMatch(
        _ index: LogIndex, _ log: Log?, _ message: Message
    ) throws(Violation) {
        guard index > .zero else { return }
        // Written in one transaction with what a later leader replaced: the same as an
        // acknowledgement that the network kept for a while.
        if image.currentTerm > message.term, log == nil, index <= highestIndex { return }
        try require(
            holds(index, term: log?.entry(at: index)?.term), "I10 durable before send",
            "\(message.from) acknowledges \(index), its disk ends at \(lastIndex)")
    }
}
