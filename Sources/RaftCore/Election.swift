/// What a server keeps for elections (§5.2, thesis §4.2.3 and §9.6).
struct Election: Sendable {
    /// When a follower that hears nothing, or a campaign that gets nowhere, asks for pre-votes.
    var deadline: Instant
    /// The last message of the leader, for stickiness.
    var lastLeaderContact: Instant
    /// Names rounds of asking for votes; unique while the process lives.
    var round: UInt64 = 0
    var ballot = Ballot(round: 0)

    // Evidence (see `Evidence.swift`). It hastens elections; safety never rests on it.

    /// Ascending. Servers whose link closed and whose reconnect was refused, and that were silent
    /// since.
    var unreachable: [ServerID] = []
    /// The leader that evidence says is gone, until a leader is heard.
    var suspect: ServerID?
    var hastenedDeadline: Instant?
    /// Campaigns since the evidence: they are repeated quickly, a bounded number of times.
    var hastenedCampaigns = 0
}

/// The answers to one round of asking for votes or pre-votes.
struct Ballot: Sendable {
    let round: UInt64
    private(set) var granted: [ServerID] = []
    private(set) var refused: [ServerID] = []

    init(round: UInt64) { self.round = round }

    /// Notes the answer of `server`; only its first one counts.
    mutating func note(_ server: ServerID, isGranted: Bool) {
        guard !granted.contains(server), !refused.contains(server) else { return }
        if isGranted { granted.append(server) } else { refused.append(server) }
    }
}

extension Raft {
    /// §5.2: a moment one randomized election timeout from now.
    mutating func electionTimeout() -> Instant {
        now.advanced(byMilliseconds: generator.draw(from: settings.electionTimeoutMilliseconds))
    }

    /// This server's last entry, which §5.4.1 compares.
    var lastPosition: LogPosition { LogPosition(index: log.lastIndex, term: log.lastTerm) }

    /// The round of asking for votes that is open, or was last.
    package var openRound: UInt64 { election.ballot.round }

    /// The other servers, ascending.
    var others: [ServerID] { configuration.voters.filter { $0 != id } }

    /// §5.1: "if one server's current term is smaller than the other's, it updates its current
    /// term".
    mutating func adoptTerm(of message: Message, into effects: inout Effects) {
        precondition(message.term > currentTerm, "a term never falls (§5.1)")
        effects.decisions.append(.adoptedTerm(message.term, from: message.from))
        becomeFollower(because: .higherTerm, into: &effects)
        currentTerm = message.term
        votedFor = nil
        leader = nil
        persistVote(into: &effects)
    }

    /// Leaves whatever role this server had. A follower's election timer runs on (§5.2).
    mutating func becomeFollower(because reason: StepDownReason, into effects: inout Effects) {
        switch role {
        case .follower:
            return
        case .leader:
            effects.decisions.append(.steppedDown(term: currentTerm, reason: reason))
            leader = nil
            endLeadership(into: &effects)
        case .candidate, .preCandidate:
            effects.decisions.append(.steppedDown(term: currentTerm, reason: reason))
        }
        role = .follower
        election.deadline = electionTimeout()
    }

    /// §5.2: a legitimate leader was heard, so the election timer starts anew.
    mutating func follow(_ server: ServerID, into effects: inout Effects) {
        becomeFollower(because: .otherLeader, into: &effects)
        if leader != server {
            leader = server
            effects.decisions.append(.followed(leader: server, term: currentTerm))
        }
        election.lastLeaderContact = now
        election.deadline = electionTimeout()
        election.suspect = nil
        election.hastenedDeadline = nil
        election.hastenedCampaigns = 0
    }

    /// Thesis §9.6: asks whether an election could be won, before any term is raised.
    mutating func startPreVote(into effects: inout Effects) {
        guard currentTerm.rawValue < Raft.largestPlausible else {
            election.deadline = electionTimeout()
            return
        }
        let term = currentTerm.next()
        let reason: CampaignReason = isSuspectGone ? .evidence : .electionTimeout
        effects.decisions.append(.startedPreVote(term: term, reason: reason))
        role = .preCandidate
        leader = nil
        openBallot()
        election.ballot.note(id, isGranted: true)
        for server in others {
            let message = Message(
                from: id, term: term, body: .requestVote(ballotPaper(isPreVote: true)))
            effects.sendNow.append(Envelope(to: server, message: message))
        }
        countBallot(into: &effects)
    }

    /// §5.2: "increments its current term and transitions to candidate state".
    mutating func startElection(isLeadershipTransfer: Bool, into effects: inout Effects) {
        guard currentTerm.rawValue < Raft.largestPlausible else { return }
        currentTerm = currentTerm.next()
        votedFor = id
        leader = nil
        role = .candidate
        effects.decisions.append(
            .startedElection(term: currentTerm, isLeadershipTransfer: isLeadershipTransfer))
        openBallot()
        persistVote(into: &effects)
        let paper = ballotPaper(isPreVote: false, isLeadershipTransfer: isLeadershipTransfer)
        for server in others {
            sendAfterPersist(.requestVote(paper), to: server, into: &effects)
        }
    }

    /// The vote for itself counts once it is durable, as anybody else's does (B17).
    mutating func countOwnVote(into effects: inout Effects) {
        guard persistence.durableVote == Persist.Vote(currentTerm: currentTerm, votedFor: id)
        else { return }
        election.ballot.note(id, isGranted: true)
        countBallot(into: &effects)
    }

    private mutating func openBallot() {
        election.round &+= 1
        election.ballot = Ballot(round: election.round)
        election.deadline = campaignTimeout()
        election.hastenedDeadline = nil
    }

    private func ballotPaper(isPreVote: Bool, isLeadershipTransfer: Bool = false) -> RequestVote {
        RequestVote(
            lastLogIndex: log.lastIndex, lastLogTerm: log.lastTerm, isPreVote: isPreVote,
            round: election.round, isLeadershipTransfer: isLeadershipTransfer)
    }

    /// Figure 2, RequestVote reply: counted for the round that asked, and for no other (C6).
    mutating func handleRequestVoteReply(
        _ reply: RequestVoteReply, of message: Message, into effects: inout Effects
    ) {
        let isGrantedPreVote = reply.isPreVote && reply.voteGranted
        if message.term > currentTerm, !isGrantedPreVote {
            // B23: a higher term in a reply is adopted, and never counted as a vote.
            return adoptTerm(of: message, into: &effects)
        }
        let isOpen: Bool
        switch role {
        case .preCandidate:
            isOpen = reply.isPreVote && (!reply.voteGranted || message.term == currentTerm.next())
        case .candidate:
            isOpen = !reply.isPreVote && message.term == currentTerm
        case .follower, .leader:
            isOpen = false
        }
        guard isOpen, reply.round == election.ballot.round else {
            effects.decisions.append(.ignoredMessage(from: message.from, reason: .staleReply))
            return
        }
        effects.decisions.append(
            .countedVote(
                from: message.from, term: ballotTerm, isPreVote: reply.isPreVote,
                granted: reply.voteGranted))
        election.ballot.note(message.from, isGranted: reply.voteGranted)
        countBallot(into: &effects)
    }

    /// The term that the open ballot is about.
    private var ballotTerm: Term { role == .preCandidate ? currentTerm.next() : currentTerm }

    /// §5.2: "a candidate wins an election if it receives votes from a majority of the servers".
    private mutating func countBallot(into effects: inout Effects) {
        let isPreVote = role == .preCandidate
        // Its own vote is among them: a leader's term is durable before it states it.
        let ballot = election.ballot
        if ballot.granted.count >= configuration.majority, ballot.granted.contains(id) {
            if isPreVote {
                startElection(isLeadershipTransfer: false, into: &effects)
            } else {
                becomeLeader(into: &effects)
            }
        } else if ballot.refused.count > configuration.voters.count - configuration.majority {
            // The deadline stands: it says when to try again.
            effects.decisions.append(.lostElection(term: ballotTerm, isPreVote: isPreVote))
            role = .follower
        }
    }
}
