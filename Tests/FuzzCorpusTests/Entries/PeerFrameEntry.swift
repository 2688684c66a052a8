import BinaryCoding
import NIOCore
import PeerTransport
import RaftCore

/// Input: a frame's type and its body. What is accepted encodes to the same bytes again.
func fuzzPeerFrame(_ input: [UInt8]) throws(FuzzFinding) {
    var reader = InputReader(input)
    guard let type = FrameType(rawValue: reader.byte()) else { return }
    let body = reader.remaining()
    FuzzWork.countFrame()
    switch type {
    case .hello:
        try expectStable(body, type, Hello.decode) { $0.write(to: &$1) }
    case .welcome:
        try expectStable(body, type, Welcome.decode) { $0.write(to: &$1) }
    case .refusal:
        try expectStable(body, type, HandshakeRefusal.decode) { $0.write(to: &$1) }
    case .confirm, .ping, .pong, .requestVote, .requestVoteReply, .appendEntries,
        .appendEntriesReply, .installSnapshot, .installSnapshotReply, .timeoutNow, .proposals,
        .proposalsRefused, .readIndexRequest, .readIndexReply, .stateDigest:
        try fuzzFrameBody(body, type)
    }
}

private func fuzzFrameBody(_ body: [UInt8], _ type: FrameType) throws(FuzzFinding) {
    let frame = decoded(
        body,
        { (reader) throws(DecodingFailure) in
            try PeerFrame.decode(type, from: &reader)
        })
    guard case .some(.some(let frame)) = frame else { return }
    var seal = FrameSeal.unbound
    var buffer = ByteBuffer()
    guard buffer.write(frame, seal: &seal) != nil else {
        throw FuzzFinding("a decoded \(type) does not encode")
    }
    let again = buffer.getBytes(at: 5, length: buffer.readableBytes - 9)
    guard again == body, buffer.getInteger(at: 4, as: UInt8.self) == type.rawValue else {
        throw FuzzFinding("\(type) \(hex(body)) encodes as \(hex(again ?? []))")
    }
}

/// Texts for people are cleaned while they are read, so here equality is of the values.
private func expectStable<Value: Equatable>(
    _ body: [UInt8], _ type: FrameType,
    _ decode: (inout ByteReader) throws(DecodingFailure) -> Value,
    _ write: (Value, inout ByteBuffer) -> Void
) throws(FuzzFinding) {
    guard let value = decoded(body, decode) else { return }
    var buffer = ByteBuffer()
    write(value, &buffer)
    let again = buffer.getBytes(at: 5, length: buffer.readableBytes - 9) ?? []
    guard decoded(again, decode) == value else {
        throw FuzzFinding("\(type) \(hex(body)) encodes as \(hex(again))")
    }
}

/// Nil when the bytes are refused.
func decoded<Value>(
    _ bytes: [UInt8], _ decode: (inout ByteReader) throws(DecodingFailure) -> Value
) -> Value? {
    do throws(DecodingFailure) {
        return try ByteReader.withReader(over: bytes, decode)
    } catch {
        return nil
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { (byte: UInt8) -> String in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }.joined()
}

/// One frame of each shape, as type and body.
let peerFrameSeeds: [[UInt8]] = {
    var seeds: [[UInt8]] = sampleFrames.map { frame in
        var seal = FrameSeal.unbound
        var buffer = ByteBuffer()
        _ = buffer.write(frame, seal: &seal)
        return typeAndBody(buffer)
    }
    var handshake = [ByteBuffer(), ByteBuffer(), ByteBuffer()]
    sampleHello(kind: .main).write(to: &handshake[0])
    Welcome(protocolVersion: 1, sender: ServerID(1), echoedNonce: 7, nonce: 8)
        .write(to: &handshake[1])
    HandshakeRefusal(code: .wrongCluster, text: "no").write(to: &handshake[2])
    seeds += handshake.map(typeAndBody)
    return seeds
}()

private func typeAndBody(_ frame: ByteBuffer) -> [UInt8] {
    frame.getBytes(at: 4, length: frame.readableBytes - 8) ?? []
}

func sampleHello(kind: ConnectionKind) -> Hello {
    Hello(
        protocolVersions: 1...1, clusterID: 0xC1, clusterName: "test", sender: ServerID(2),
        receiver: ServerID(1), memberDigest: 0xD1, kind: kind, linkTimeoutMilliseconds: 2_000,
        nonce: 7)
}

let sampleFrames: [PeerFrame] = {
    let entries = [
        Entry(index: LogIndex(6), term: Term(2), payload: [0xAA, 0xBB]),
        Entry(index: LogIndex(7), term: Term(3), payload: []),
    ]
    let bodies: [Message.Body] = [
        .requestVote(
            RequestVote(
                lastLogIndex: LogIndex(17), lastLogTerm: Term(18), isPreVote: true, round: 19,
                isLeadershipTransfer: false)),
        .requestVoteReply(RequestVoteReply(voteGranted: true, isPreVote: false, round: 19)),
        .appendEntries(
            AppendEntries(
                prevLogIndex: LogIndex(5), prevLogTerm: Term(2), entries: entries,
                leaderCommit: LogIndex(4), readRound: 9)),
        .appendEntriesReply(AppendEntriesReply(result: .matched(LogIndex(8)), readRound: 9)),
        .appendEntriesReply(
            AppendEntriesReply(
                result: .mismatch(
                    rejectedPrevLogIndex: LogIndex(8), hintIndex: LogIndex(6), hintTerm: Term(2)),
                readRound: 9)),
        .installSnapshot(
            InstallSnapshot(
                lastIncludedIndex: LogIndex(80), lastIncludedTerm: Term(3), totalBytes: 64,
                checksum: 0xCAFE, offset: 48, chunk: [0xDE, 0xAD])),
        .installSnapshotReply(
            InstallSnapshotReply(
                lastIncludedIndex: LogIndex(80), result: .expecting(offset: 50))),
        .installSnapshotReply(
            InstallSnapshotReply(
                lastIncludedIndex: LogIndex(80), result: .installed(matchIndex: LogIndex(81)))),
        .timeoutNow,
    ]
    let messages = bodies.map {
        PeerFrame.raft(Message(from: ServerID(2), term: Term(99), body: $0))
    }
    return messages + [
        .proposals(
            ForwardedProposals(
                term: Term(99),
                proposals: [.init(number: 1, command: [1, 2]), .init(number: 2, command: [])])),
        .proposalsRefused(
            RefusedProposals(reason: .otherTerm, term: Term(99), numbers: [1, 2])),
        .readIndexRequest(number: 112),
        .readIndexReply(ReadIndexReply(number: 112, index: LogIndex(113))),
        .readIndexReply(ReadIndexReply(number: 112, index: nil)),
        .stateDigest(index: LogIndex(128), digest: 129),
    ]
}()
