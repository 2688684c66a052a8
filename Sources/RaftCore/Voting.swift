extension Raft {
    /// Figure 2, RequestVote, and its question without consequence, the pre-vote (thesis §9.6).
    mutating func handleRequestVote(
        _ request: RequestVote, of message: Message, into effects: inout Effects
    ) {
        if request.isPreVote { return handlePreVote(request, of: message, into: &effects) }
        if message.term > currentTerm {
            if !request.isLeadershipTransfer, let alive = leaderAlive(besides: message.from) {
                // Thesis §4.2.3: neither the term nor the vote is considered.
                effects.decisions.append(
                    .refusedVote(
                        to: message.from, term: message.term, isPreVote: false,
                        reason: .leaderAlive(alive)))
                return
            }
            adoptTerm(of: message, into: &effects)
        }
        if let refusal = refusalOfVote(request, of: message) {
            return refuse(request, of: message, because: refusal, into: &effects)
        }
        grantVote(request, of: message, into: &effects)
    }

    private mutating func grantVote(
        _ request: RequestVote, of message: Message, into effects: inout Effects
    ) {
        effects.decisions.append(
            .grantedVote(to: message.from, term: message.term, isPreVote: false))
        becomeFollower(because: .grantedVote, into: &effects)
        if votedFor != message.from {
            votedFor = message.from
            persistVote(into: &effects)
        }
        // §5.2: granting a vote restarts the election timer.
        election.deadline = electionTimeout()
        election.hastenedDeadline = nil
        let reply = RequestVoteReply(voteGranted: true, isPreVote: false, round: request.round)
        let vote = Persist.Vote(currentTerm: currentTerm, votedFor: message.from)
        if persistence.durableVote == vote {
            send(.requestVoteReply(reply), to: message.from, into: &effects)
        } else {
            sendAfterPersist(.requestVoteReply(reply), to: message.from, into: &effects)
        }
    }

    /// Thesis §9.6: yes, if a real request could be granted now. No state changes, so nothing is
    /// written.
    private mutating func handlePreVote(
        _ request: RequestVote, of message: Message, into effects: inout Effects
    ) {
        if let refusal = refusalOfPreVote(request, of: message) {
            return refuse(request, of: message, because: refusal, into: &effects)
        }
        effects.decisions.append(
            .grantedVote(to: message.from, term: message.term, isPreVote: true))
        postponeHastenedCampaign()
        let reply = RequestVoteReply(voteGranted: true, isPreVote: true, round: request.round)
        effects.sendNow.append(
            Envelope(
                to: message.from,
                message: Message(from: id, term: message.term, body: .requestVoteReply(reply))))
    }

    /// The reply carries our term, so that a server that fell behind catches up (C5, B24).
    private mutating func refuse(
        _ request: RequestVote, of message: Message, because reason: VoteRefusal,
        into effects: inout Effects
    ) {
        effects.decisions.append(
            .refusedVote(
                to: message.from, term: message.term, isPreVote: request.isPreVote, reason: reason))
        let reply = RequestVoteReply(
            voteGranted: false, isPreVote: request.isPreVote, round: request.round)
        send(.requestVoteReply(reply), to: message.from, into: &effects)
    }

    private func refusalOfVote(_ request: RequestVote, of message: Message) -> VoteRefusal? {
        if message.term < currentTerm { return .staleTerm(ours: currentTerm) }
        if let votedFor, votedFor != message.from { return .alreadyVoted(for: votedFor) }
        return refusalOfLog(request)
    }

    private func refusalOfPreVote(_ request: RequestVote, of message: Message) -> VoteRefusal? {
        if message.term <= currentTerm { return .staleTerm(ours: currentTerm) }
        if let alive = leaderAlive(besides: message.from) { return .leaderAlive(alive) }
        return refusalOfLog(request)
    }

    /// §5.4.1: "the voter denies its vote if its own log is more up-to-date than that of the
    /// candidate".
    private func refusalOfLog(_ request: RequestVote) -> VoteRefusal? {
        let theirs = LogPosition(index: request.lastLogIndex, term: request.lastLogTerm)
        return theirs < lastPosition ? .logBehind(mine: lastPosition, theirs: theirs) : nil
    }

    /// Thesis §4.2.3, leader stickiness: the leader that was heard within the smallest election
    /// timeout.
    ///
    /// It does not bind if the leader itself campaigns (it lost its office), nor if its process is
    /// known to be gone. This protects availability only, so yielding can never hurt safety.
    private func leaderAlive(besides candidate: ServerID) -> ServerID? {
        guard let leader, leader != candidate else { return nil }
        if role == .leader { return id }
        let silence = now.milliseconds(since: election.lastLeaderContact)
        guard silence < settings.electionTimeoutMilliseconds.lowerBound else { return nil }
        return election.unreachable.contains(leader) ? nil : leader
    }
}
