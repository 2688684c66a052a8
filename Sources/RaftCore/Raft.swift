/// One Raft server as a value: inputs in, effects out (Figure 2 and what the thesis adds).
///
/// No I/O, no clock, no randomness of its own: time is an argument, the generator is seeded.
/// The extensions follow Figure 2; `Docs/Raft.md` maps each of its lines to a function.
package struct Raft: Sendable {
    package let id: ServerID
    package let configuration: ClusterConfiguration
    package let settings: RaftSettings

    // Persistent state on all servers (Figure 2). `persistence` knows how much of it is durable.

    /// Invariant: never falls.
    package internal(set) var currentTerm: Term
    /// The candidate that got this server's vote in `currentTerm`.
    package internal(set) var votedFor: ServerID?
    package internal(set) var log: Log
    /// The newest snapshot, for followers whose next entry is no longer in the log.
    package internal(set) var snapshot: Snapshot?
    var persistence: Persistence

    // Volatile state on all servers (Figure 2).

    /// Invariant: `snapshotIndex ≤ lastApplied = commitIndex ≤ log.lastIndex`; never falls.
    package internal(set) var commitIndex: LogIndex
    /// Entries are handed to the host as soon as they are committed.
    package var lastApplied: LogIndex { commitIndex }
    package internal(set) var role = Role.follower
    /// The leader of `currentTerm`, where it is known.
    package internal(set) var leader: ServerID?
    /// Whether somebody here waits for what is being committed. The host says so; a follower tells
    /// its leader, which then sends a notice of each commit at once. Otherwise the commit comes
    /// with the next entries or heartbeat.
    package var awaitsCommit = true
    var election: Election
    var incomingSnapshot: IncomingSnapshot?

    // Volatile state on leaders (Figure 2), reset by each election.

    /// Invariant: every other server while this one leads, else empty.
    var followers = ServerMap<Follower>()
    var leadership = Leadership()
    var reads = Reads()

    var generator: SeededGenerator
    /// The latest moment seen; the host's clock never moves it back.
    var now: Instant

    /// Terms and indexes above this are taken for garbage: sums below it never overflow.
    static let largestPlausible: UInt64 = 1 << 62

    /// A server that starts, as follower, with what its disk remembers.
    ///
    /// The host restores its machine from `state.snapshot`: everything up to it counts as applied.
    /// - Throws: ``RestoreFailure`` if the state is not one that a server can have written.
    package init(
        id: ServerID, configuration: ClusterConfiguration, settings: RaftSettings, seed: UInt64,
        restoring state: PersistentState, at now: Instant
    ) throws(RestoreFailure) {
        guard configuration.voters.contains(id) else { throw .notAMember(id) }
        try RestoreFailure.check(state)
        guard let log = Log(restoring: state) else { throw .brokenLog }
        guard log.lastTerm <= state.currentTerm else { throw .termBehindLog }
        self.id = id
        self.configuration = configuration
        self.settings = settings
        self.log = log
        self.now = now
        currentTerm = state.currentTerm
        votedFor = state.votedFor
        snapshot = state.snapshot
        commitIndex = log.snapshotIndex
        generator = SeededGenerator(seed: seed)
        persistence = Persistence(
            durableVote: Persist.Vote(currentTerm: state.currentTerm, votedFor: state.votedFor),
            durableIndex: log.lastIndex)
        election = Election(deadline: now, lastLeaderContact: now)
        election.round = generator.next() >> 32
        // A single server has nobody to wait for.
        if !isAlone { election.deadline = electionTimeout() }
    }

    /// Does what `input` asks for, and adds what the host must do to `effects`.
    package mutating func step(_ input: Input, at now: Instant, into effects: inout Effects) {
        self.now = max(self.now, now)
        switch input {
        case .received(let message): receive(message, into: &effects)
        case .timerFired: handleTimer(into: &effects)
        case .persisted(let id): handlePersisted(id, into: &effects)
        case .propose(let proposals): propose(proposals, into: &effects)
        case .read(let id): read(id, into: &effects)
        case .snapshotTaken(let snapshot): handleSnapshotTaken(snapshot, into: &effects)
        case .transferLeadership(let target): transferLeadership(to: target, into: &effects)
        case .peerUnreachable(let server): handleUnreachable(server, into: &effects)
        case .peerReachable(let server): handleReachable(server, into: &effects)
        }
        #if DEBUG
        checkInvariants()
        #endif
    }

    /// When the host must step `.timerFired` next. Waking early is harmless.
    package var deadline: Instant {
        switch role {
        case .leader:
            let next = min(leadership.heartbeatDeadline, leadership.quorumDeadline)
            return min(next, leadership.transfer?.deadline ?? next)
        case .follower, .preCandidate, .candidate:
            return min(election.deadline, election.hastenedDeadline ?? election.deadline)
        }
    }

    var isAlone: Bool { configuration.voters.count == 1 }

    private mutating func handleTimer(into effects: inout Effects) {
        switch role {
        case .leader:
            guard confirmQuorum(into: &effects) else { return }
            abortOverdueTransfer(into: &effects)
            if now >= leadership.heartbeatDeadline { sendHeartbeats(into: &effects) }
        case .follower, .preCandidate, .candidate:
            guard now >= deadline else { return }
            if role == .candidate, !isTermDurable {
                // D20: its own vote is still on its way to a slow disk. Another term would need
                // another such write, and so on for ever.
                election.deadline = electionTimeout()
            } else {
                startPreVote(into: &effects)
            }
        }
    }

    /// Figure 2, "Rules for Servers": checks the sender and its term, then goes by kind of message.
    private mutating func receive(_ message: Message, into effects: inout Effects) {
        if let reason = reasonToIgnore(message) {
            effects.decisions.append(.ignoredMessage(from: message.from, reason: reason))
            return
        }
        clearEvidence(about: message.from, into: &effects)
        if role == .leader, message.term == currentTerm { noteHeard(from: message.from) }
        switch message.body {
        case .requestVote(let request):
            handleRequestVote(request, of: message, into: &effects)
        case .requestVoteReply(let reply):
            handleRequestVoteReply(reply, of: message, into: &effects)
        case .appendEntries(let append):
            guard acceptLeader(of: message, into: &effects) else {
                return refuseStaleAppend(append, of: message, into: &effects)
            }
            handleAppendEntries(append, from: message.from, into: &effects)
        case .appendEntriesReply(let reply):
            guard acceptReply(message, into: &effects) else { return }
            handleAppendEntriesReply(reply, from: message.from, into: &effects)
        case .installSnapshot(let chunk):
            guard acceptLeader(of: message, into: &effects) else {
                return refuseStaleSnapshot(chunk, of: message, into: &effects)
            }
            handleInstallSnapshot(chunk, from: message.from, into: &effects)
        case .installSnapshotReply(let reply):
            guard acceptReply(message, into: &effects) else { return }
            handleInstallSnapshotReply(reply, from: message.from, into: &effects)
        case .timeoutNow:
            handleTimeoutNow(message, into: &effects)
        }
    }

    /// §5.1: a message of a current leader makes this server its follower; one of a past leader is
    /// refused.
    mutating func acceptLeader(of message: Message, into effects: inout Effects) -> Bool {
        guard message.term >= currentTerm else { return false }
        if message.term > currentTerm { adoptTerm(of: message, into: &effects) }
        precondition(role != .leader, "Election Safety (§5.2): two leaders in term \(currentTerm)")
        precondition(
            leader == nil || leader == message.from,
            "Election Safety (§5.2): two leaders in term \(currentTerm)")
        follow(message.from, into: &effects)
        return true
    }

    /// §5.1: a reply counts only for the leader of the very term it was sent in.
    private mutating func acceptReply(_ message: Message, into effects: inout Effects) -> Bool {
        if message.term > currentTerm {
            adoptTerm(of: message, into: &effects)
            return false
        }
        guard message.term == currentTerm, role == .leader else {
            effects.decisions.append(.ignoredMessage(from: message.from, reason: .staleTerm))
            return false
        }
        return true
    }
}
