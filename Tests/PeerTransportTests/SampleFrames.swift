import PeerTransport
import RaftCore
import SeededRandom

/// One frame of each shape, with values that show each field's place.
let sampleFrames: [(name: String, frame: PeerFrame)] = [
    (
        "requestVote",
        message(
            .requestVote(
                RequestVote(
                    lastLogIndex: LogIndex(0x11), lastLogTerm: Term(0x12), isPreVote: true,
                    round: 0x13, isLeadershipTransfer: false)))
    ),
    (
        "requestVoteReply",
        message(
            .requestVoteReply(RequestVoteReply(voteGranted: true, isPreVote: false, round: 0x13)))
    ),
    ("heartbeat", heartbeat(commit: 0x21)),
    (
        "appendEntries",
        message(
            .appendEntries(
                AppendEntries(
                    prevLogIndex: LogIndex(5), prevLogTerm: Term(2),
                    entries: [
                        Entry(index: LogIndex(6), term: Term(2), payload: [0xAA, 0xBB]),
                        Entry(index: LogIndex(7), term: Term(3), payload: []),
                        Entry(index: LogIndex(8), term: Term(3), payload: [0xCC]),
                    ],
                    leaderCommit: LogIndex(4), readRound: 9)))
    ),
    (
        "appendEntriesReply.matched",
        message(
            .appendEntriesReply(AppendEntriesReply(result: .matched(LogIndex(8)), readRound: 9)))
    ),
    (
        "appendEntriesReply.mismatch",
        message(
            .appendEntriesReply(
                AppendEntriesReply(
                    result: .mismatch(
                        rejectedPrevLogIndex: LogIndex(8), hintIndex: LogIndex(6),
                        hintTerm: Term(2)),
                    readRound: 9)))
    ),
    ("installSnapshot", snapshotChunk([0xDE, 0xAD], offset: 0x30, total: 0x40)),
    (
        "installSnapshotReply.expecting",
        message(
            .installSnapshotReply(
                InstallSnapshotReply(
                    lastIncludedIndex: LogIndex(0x50), result: .expecting(offset: 0x32))))
    ),
    (
        "installSnapshotReply.installed",
        message(
            .installSnapshotReply(
                InstallSnapshotReply(
                    lastIncludedIndex: LogIndex(0x50),
                    result: .installed(matchIndex: LogIndex(0x51)))))
    ),
    ("timeoutNow", message(.timeoutNow)),
    (
        "proposals",
        .proposals(
            ForwardedProposals(
                term: Term(0x63),
                proposals: [
                    .init(number: 1, command: [0x01, 0x02]), .init(number: 2, command: []),
                ]))
    ),
    (
        "proposalsRefused",
        .proposalsRefused(RefusedProposals(reason: .otherTerm, term: Term(99), numbers: [1, 2]))
    ),
    ("readIndexRequest", .readIndexRequest(number: 0x70)),
    (
        "readIndexReply.confirmed",
        .readIndexReply(ReadIndexReply(number: 0x70, index: LogIndex(0x71)))
    ),
    ("readIndexReply.refused", .readIndexReply(ReadIndexReply(number: 0x70, index: nil))),
    ("stateDigest", .stateDigest(index: LogIndex(0x80), digest: 0x81)),
]

func message(_ body: Message.Body, from: UInt16 = 2) -> PeerFrame {
    .raft(Message(from: ServerID(from), term: Term(0x63), body: body))
}

func heartbeat(commit: UInt64, from: UInt16 = 2) -> PeerFrame {
    message(
        .appendEntries(
            AppendEntries(
                prevLogIndex: LogIndex(commit), prevLogTerm: Term(1), entries: [],
                leaderCommit: LogIndex(commit), readRound: 0)), from: from)
}

func entries(after index: UInt64, payload: [UInt8], from: UInt16 = 2) -> PeerFrame {
    let entry = Entry(index: LogIndex(index + 1), term: Term(1), payload: payload)
    return message(
        .appendEntries(
            AppendEntries(
                prevLogIndex: LogIndex(index), prevLogTerm: Term(1), entries: [entry],
                leaderCommit: .zero, readRound: 0)), from: from)
}

func snapshotChunk(
    _ chunk: [UInt8], offset: UInt64, total: UInt64, from: UInt16 = 2
) -> PeerFrame {
    message(
        .installSnapshot(
            InstallSnapshot(
                lastIncludedIndex: LogIndex(0x50), lastIncludedTerm: Term(3), totalBytes: total,
                checksum: 0xCAFE, offset: offset, chunk: chunk)), from: from)
}

/// Any frame that a correct server may send, up to the largest numbers.
func randomFrame(using random: inout SplitMix) -> PeerFrame {
    switch Int.random(in: 0..<14, using: &random) {
    case 0..<9:
        let term = random.number()
        return .raft(
            Message(
                from: ServerID(.random(in: 1 ... .max, using: &random)), term: Term(term),
                body: randomBody(term: term, using: &random)))
    case 9:
        let proposals = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            ForwardedProposals.Proposal(number: random.next(), command: random.bytes())
        }
        return .proposals(ForwardedProposals(term: Term(random.number()), proposals: proposals))
    case 10:
        let reason = RefusedProposals.Reason(rawValue: .random(in: 1...5, using: &random))
        let numbers = (0..<Int.random(in: 0...5, using: &random)).map { _ in random.next() }
        return .proposalsRefused(
            RefusedProposals(reason: reason ?? .notLeader, term: Term(3), numbers: numbers))
    case 11:
        return .readIndexRequest(number: random.next())
    case 12:
        let index = Bool.random(using: &random) ? LogIndex(random.number()) : nil
        return .readIndexReply(ReadIndexReply(number: random.next(), index: index))
    // default: open set
    default:
        return .stateDigest(index: LogIndex(random.number()), digest: random.next())
    }
}

private func randomBody(term: UInt64, using random: inout SplitMix) -> Message.Body {
    switch Int.random(in: 0..<7, using: &random) {
    case 0:
        return .requestVote(
            RequestVote(
                lastLogIndex: LogIndex(random.number()), lastLogTerm: Term(random.number()),
                isPreVote: .random(using: &random), round: random.next(),
                isLeadershipTransfer: .random(using: &random)))
    case 1:
        return .requestVoteReply(
            RequestVoteReply(
                voteGranted: .random(using: &random), isPreVote: .random(using: &random),
                round: random.next()))
    case 2:
        return .appendEntries(randomAppend(term: term, using: &random))
    case 3:
        return .appendEntriesReply(
            AppendEntriesReply(
                result: Bool.random(using: &random)
                    ? .matched(LogIndex(random.number()))
                    : .mismatch(
                        rejectedPrevLogIndex: LogIndex(random.number()),
                        hintIndex: LogIndex(random.number()), hintTerm: Term(random.number())),
                readRound: random.next()))
    case 4:
        let chunk = random.bytes()
        let offset = UInt64.random(in: 0...1000, using: &random)
        return .installSnapshot(
            InstallSnapshot(
                lastIncludedIndex: LogIndex(random.number()),
                lastIncludedTerm: Term(random.number()),
                totalBytes: offset + UInt64(chunk.count), checksum: .random(in: .min ... .max),
                offset: offset, chunk: chunk))
    case 5:
        return .installSnapshotReply(
            InstallSnapshotReply(
                lastIncludedIndex: LogIndex(random.number()),
                result: Bool.random(using: &random)
                    ? .expecting(offset: .random(in: 0...1000, using: &random))
                    : .installed(matchIndex: LogIndex(random.number()))))
    // default: open set
    default:
        return .timeoutNow
    }
}

private func randomAppend(term: UInt64, using random: inout SplitMix) -> AppendEntries {
    let prevLogIndex = random.number() / 2
    let prevLogTerm = term / 2
    var entryTerm = prevLogTerm
    var entries: [Entry] = []
    for offset in 0..<UInt64.random(in: 0...6, using: &random) {
        if Bool.random(using: &random), entryTerm < term { entryTerm += 1 }
        entries.append(
            Entry(
                index: LogIndex(prevLogIndex + 1 + offset), term: Term(entryTerm),
                payload: random.bytes()))
    }
    return AppendEntries(
        prevLogIndex: LogIndex(prevLogIndex), prevLogTerm: Term(prevLogTerm), entries: entries,
        leaderCommit: LogIndex(random.number()), readRound: random.next(),
        expectsReply: .random(using: &random))
}

extension SplitMix {
    /// A term or index of any magnitude, the largest included.
    mutating func number() -> UInt64 {
        let bits = UInt64.random(in: 0...62, using: &self)
        return bits == 62
            ? WireLimits.largestNumber : UInt64.random(in: 0...(1 << bits), using: &self)
    }

    mutating func bytes() -> [UInt8] {
        (0..<Int.random(in: 0...40, using: &self)).map { _ in .random(in: 0...255, using: &self) }
    }
}
