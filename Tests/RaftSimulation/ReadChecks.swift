import RaftCore

/// What one process owes to the reads it was asked for, while it leads one term (thesis §6.4): who
/// has confirmed which round, and what was committed when the round began.
struct ReadRounds {
    private struct Round {
        let number: UInt64
        var reads: Int
        /// What anybody had applied when the oldest of its reads was made.
        let committed: LogIndex
    }

    private var term = Term.zero
    private var rounds: [Round] = []
    private var newestRound: UInt64 = 0
    /// Reads that wait for the first commit of the term, and what was committed at the first.
    private var heldCount = 0
    private var heldSince = LogIndex.zero
    private var confirmed: [ServerID: UInt64] = [:]

    /// A reply has come, and is of `term`, which the server leads.
    mutating func noteReply(_ reply: AppendEntriesReply, from server: ServerID, in term: Term) {
        begin(term)
        confirmed[server] = max(confirmed[server] ?? 0, reply.readRound)
    }

    private mutating func begin(_ term: Term) {
        guard term != self.term else { return }
        self = ReadRounds()
        self.term = term
    }

    mutating func note(
        _ decision: Decision, in term: Term, committed: LogIndex
    ) throws(Violation) {
        switch decision {
        case .heldRead:
            begin(term)
            if heldCount == 0 { heldSince = committed }
            heldCount += 1
        case .beganReadRound(let number, _):
            begin(term)
            // Else replies to messages from before the read would confirm it.
            try require(
                number > newestRound, "C16 read without a round",
                "a read joins round \(number), which began before it")
            newestRound = number
            let isOfHeld = heldCount > 0
            rounds.append(
                Round(
                    number: number, reads: isOfHeld ? heldCount : 1,
                    committed: isOfHeld ? heldSince : committed))
            heldCount = 0
        // default: open set (only these two decisions are about reads)
        default:
            break
        }
    }

    /// The next read in order is granted at `index`.
    ///
    /// C16: a majority, with the leader, has answered a message that was sent after the read was
    /// made. I18: the index is not older than what was committed when the read was made.
    mutating func checkGrant(
        at index: LogIndex, by id: ServerID, servers: Int
    ) throws(Violation) {
        guard let round = rounds.first else {
            throw Violation("C16 read without a round", "\(id) grants a read that has no round")
        }
        let supporters = 1 + confirmed.values.filter { $0 >= round.number }.count
        try require(
            supporters > servers / 2, "C16 read without a round",
            "\(id) grants a read of round \(round.number), confirmed by \(supporters) of "
                + "\(servers)")
        try require(
            index >= round.committed, "I18 no stale answer",
            "\(id) grants a read at \(index), \(round.committed) was committed before it")
        rounds[0].reads -= 1
        if rounds[0].reads == 0 { rounds.removeFirst() }
    }
}

extension Simulation {
    /// Each read that a leader grants in this turn.
    func checkReads(_ effects: borrowing Effects, of process: SimulatedProcess) {
        let servers = processes.count
        for decision in effects.decisions {
            check { () throws(Violation) in
                try process.readRounds.note(
                    decision, in: process.ledTerm, committed: observer.commitIndex)
            }
        }
        for grant in effects.reads {
            guard case .granted(let index) = grant.result else {
                mark(.refusedRead)
                continue
            }
            mark(.grantedRead)
            check { () throws(Violation) in
                try process.readRounds.checkGrant(at: index, by: process.id, servers: servers)
            }
        }
    }

    /// A leader's message reaches a server with the round that it is to echo.
    func noteRound(_ message: Message, at process: SimulatedProcess) {
        guard case .appendEntries(let append) = message.body else { return }
        let heard = process.heardRounds[message.term] ?? 0
        process.heardRounds[message.term] = max(heard, append.readRound)
    }

    /// C16: a reply confirms a round only of the term that it states. A leader that was restarted
    /// counts its rounds anew; a number of before would confirm what nobody was asked.
    func checkEcho(_ message: Message, of process: SimulatedProcess) throws(Violation) {
        guard case .appendEntriesReply(let reply) = message.body, reply.readRound > 0 else {
            return
        }
        let heard = process.heardRounds[message.term] ?? 0
        try require(
            reply.readRound <= heard, "C16 read without a round",
            "\(process.id) confirms round \(reply.readRound) of term \(message.term), in which it "
                + "was asked for \(heard)")
    }

    /// A frame reaches the leader of its own term: it may confirm a round.
    func noteConfirmation(_ message: Message, at process: SimulatedProcess) {
        guard case .appendEntriesReply(let reply) = message.body, message.term == process.ledTerm
        else { return }
        process.readRounds.noteReply(reply, from: message.from, in: message.term)
    }
}
