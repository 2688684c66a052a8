import RaftCore

/// One server on the bench: each step gives the effects of that step alone.
struct TestServer {
    var raft: Raft
    var now = Instant(milliseconds: 10_000)
    var lastPersist: PersistID?
    /// The effects of the step that led to the present role.
    var effects = Effects()

    static let two = ServerID(2)
    static let three = ServerID(3)

    /// Server 1 of `size`, as follower.
    init(
        size: Int = 3, restoring state: PersistentState = PersistentState(),
        settings: RaftSettings = RaftSettings()
    ) throws {
        raft = try Raft(
            id: ServerID(1),
            configuration: ClusterConfiguration(voters: (1...size).map { ServerID(UInt16($0)) }),
            settings: settings, seed: 42, restoring: state, at: now)
    }

    @discardableResult
    mutating func step(_ inputs: Input...) -> Effects {
        effects = Effects()
        for input in inputs { raft.step(input, at: now, into: &effects) }
        raft.checkInvariants()
        if let id = effects.persist?.id { lastPersist = id }
        return effects
    }

    @discardableResult
    mutating func receive(_ body: Message.Body, from server: ServerID = two, term: UInt64)
        -> Effects
    {
        step(.received(Message(from: server, term: Term(term), body: body)))
    }

    /// The disk has everything that was handed to it.
    @discardableResult
    mutating func persisted() -> Effects {
        guard let lastPersist else { return Effects() }
        return step(.persisted(lastPersist))
    }

    @discardableResult
    mutating func wait(milliseconds: UInt64) -> Effects {
        now = now.advanced(byMilliseconds: milliseconds)
        return step(.timerFired)
    }

    /// Lets its own timer fire, whatever it is for.
    @discardableResult
    mutating func waitForTimer() -> Effects {
        now = max(now, raft.deadline)
        return step(.timerFired)
    }

    /// A follower of server 2, with `entries` durable.
    static func follower(
        term: UInt64 = 1, terms: [UInt64] = [], size: Int = 3,
        settings: RaftSettings = RaftSettings()
    ) throws -> TestServer {
        var server = try TestServer(
            size: size,
            restoring: PersistentState(
                currentTerm: Term(term), entries: Self.entries(terms: terms)),
            settings: settings)
        server.receive(.appendEntries(.heartbeat(after: 0, term: 0)), term: term)
        return server
    }

    /// A candidate of `term`, its own vote durable.
    static func candidate(
        term: UInt64 = 1, terms: [UInt64] = [], size: Int = 3,
        settings: RaftSettings = RaftSettings()
    ) throws -> TestServer {
        var server = try TestServer(
            size: size,
            restoring: PersistentState(
                currentTerm: Term(term - 1), entries: Self.entries(terms: terms)),
            settings: settings)
        server.waitForTimer()
        for voter in 2..<(size + 1) where server.raft.role == .preCandidate {
            server.receive(
                server.vote(isPreVote: true), from: ServerID(UInt16(voter)), term: term)
        }
        server.persisted()
        return server
    }

    /// The leader of `term`, its no-op not yet durable.
    static func leader(
        term: UInt64 = 1, terms: [UInt64] = [], size: Int = 3,
        settings: RaftSettings = RaftSettings()
    ) throws -> TestServer {
        var server = try candidate(term: term, terms: terms, size: size, settings: settings)
        for voter in 2..<(size + 1) where server.raft.role == .candidate {
            server.receive(server.vote(isPreVote: false), from: ServerID(UInt16(voter)), term: term)
        }
        return server
    }

    /// The leader of `term`, with its no-op committed and every follower up to date.
    static func servingLeader(
        term: UInt64 = 1, terms: [UInt64] = [], size: Int = 3,
        settings: RaftSettings = RaftSettings()
    ) throws -> TestServer {
        var server = try leader(term: term, terms: terms, size: size, settings: settings)
        server.persisted()
        for follower in 2..<(size + 1) {
            server.acknowledge(through: server.lastIndex, from: ServerID(UInt16(follower)))
        }
        return server
    }

    static func entries(terms: [UInt64], from first: UInt64 = 1) -> [Entry] {
        terms.enumerated().map { position, term in
            Entry(
                index: LogIndex(first + UInt64(position)), term: Term(term),
                payload: [UInt8(term), UInt8(position)])
        }
    }

    /// A granted vote for the round that is open.
    func vote(isPreVote: Bool, granted: Bool = true) -> Message.Body {
        .requestVoteReply(
            RequestVoteReply(
                voteGranted: granted, isPreVote: isPreVote, round: round))
    }

    /// The round of asking for votes that is open.
    var round: UInt64 { raft.openRound }

    var lastIndex: UInt64 { raft.log.lastIndex.rawValue }

    @discardableResult
    mutating func acknowledge(
        through index: UInt64, from server: ServerID, round: UInt64 = 0
    ) -> Effects {
        receive(
            .appendEntriesReply(
                AppendEntriesReply(result: .matched(LogIndex(index)), readRound: round)),
            from: server, term: raft.currentTerm.rawValue)
    }

    @discardableResult
    mutating func propose(_ payloads: [UInt8]...) -> Effects {
        step(
            .propose(
                payloads.enumerated().map { position, payload in
                    Proposal(id: ProposalID(UInt64(position + 1)), payload: payload)
                }))
    }
}

extension AppendEntries {
    static func heartbeat(after index: UInt64, term: UInt64, commit: UInt64 = 0) -> AppendEntries {
        AppendEntries(
            prevLogIndex: LogIndex(index), prevLogTerm: Term(term), entries: [],
            leaderCommit: LogIndex(commit), readRound: 0)
    }

    static func entries(
        _ terms: [UInt64], after index: UInt64, term: UInt64, commit: UInt64 = 0
    ) -> AppendEntries {
        AppendEntries(
            prevLogIndex: LogIndex(index), prevLogTerm: Term(term),
            entries: TestServer.entries(terms: terms, from: index + 1),
            leaderCommit: LogIndex(commit), readRound: 0)
    }
}

extension RequestVote {
    static func vote(
        lastIndex: UInt64 = 0, lastTerm: UInt64 = 0, isPreVote: Bool = false,
        isTransfer: Bool = false, round: UInt64 = 7
    ) -> Message.Body {
        .requestVote(
            RequestVote(
                lastLogIndex: LogIndex(lastIndex), lastLogTerm: Term(lastTerm),
                isPreVote: isPreVote, round: round, isLeadershipTransfer: isTransfer))
    }
}

extension Effects {
    var allMessages: [Message] { (sendNow + sendAfterPersist).map(\.message) }

    func appends(to server: ServerID) -> [AppendEntries] {
        sendNow.filter { $0.to == server }.compactMap { envelope in
            if case .appendEntries(let append) = envelope.message.body { append } else { nil }
        }
    }

    var appendReplies: [AppendEntriesReply.Result] {
        allMessages.compactMap { message in
            if case .appendEntriesReply(let reply) = message.body { reply.result } else { nil }
        }
    }

    var voteReplies: [RequestVoteReply] {
        allMessages.compactMap { message in
            if case .requestVoteReply(let reply) = message.body { reply } else { nil }
        }
    }

    var voteRequests: [RequestVote] {
        allMessages.compactMap { message in
            if case .requestVote(let request) = message.body { request } else { nil }
        }
    }

    var chunks: [InstallSnapshot] {
        sendNow.compactMap { envelope in
            if case .installSnapshot(let chunk) = envelope.message.body { chunk } else { nil }
        }
    }

    var snapshotReplies: [InstallSnapshotReply.Result] {
        allMessages.compactMap { message in
            if case .installSnapshotReply(let reply) = message.body { reply.result } else { nil }
        }
    }

    var timeoutNows: [ServerID] {
        sendNow.filter { $0.message.body == .timeoutNow }.map(\.to)
    }
}
