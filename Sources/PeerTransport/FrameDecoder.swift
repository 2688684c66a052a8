package import BinaryCoding
import RaftCore

extension PeerFrame {
    /// Reads the body of a frame of `type`.
    ///
    /// - Returns: nil when `type` is one of the connection's own frames.
    /// - Throws: ``DecodingFailure`` for every body that ``ByteBuffer/write(_:seal:limit:)`` cannot
    ///   have made from a message that a correct server sends. Nothing is allocated for a count
    ///   or length before the bytes are known to be there.
    package static func decode(
        _ type: FrameType, from reader: inout ByteReader
    ) throws(DecodingFailure) -> PeerFrame? {
        switch type {
        case .hello, .welcome, .refusal, .confirm, .ping, .pong:
            return nil
        case .requestVote, .requestVoteReply, .appendEntries, .appendEntriesReply,
            .installSnapshot, .installSnapshotReply, .timeoutNow:
            return .raft(try Message.decode(type, from: &reader))
        case .proposals:
            return .proposals(try ForwardedProposals.decode(from: &reader))
        case .proposalsRefused:
            return .proposalsRefused(try RefusedProposals.decode(from: &reader))
        case .readIndexRequest:
            return .readIndexRequest(
                number: try reader.read(UInt64.self, "readIndexRequest.number"))
        case .readIndexReply:
            let number = try reader.read(UInt64.self, "readIndexReply.number")
            let isConfirmed = try reader.readBool("readIndexReply.isConfirmed")
            let index = isConfirmed ? try reader.readLogIndex("readIndexReply.index") : nil
            return .readIndexReply(ReadIndexReply(number: number, index: index))
        case .stateDigest:
            let index = try reader.readLogIndex("stateDigest.index")
            return .stateDigest(
                index: index, digest: try reader.read(UInt64.self, "stateDigest.digest"))
        }
    }
}

extension Message {
    fileprivate static func decode(
        _ type: FrameType, from reader: inout ByteReader
    ) throws(DecodingFailure) -> Message {
        let from = try reader.readServerID("message.from")
        let term = try reader.readTerm("message.term")
        guard let body = try Body.decode(type, messageTerm: term, from: &reader) else {
            throw .invalid(field: "type", reason: "\(type) is not a message")
        }
        return Message(from: from, term: term, body: body)
    }
}

extension Message.Body {
    fileprivate static func decode(
        _ type: FrameType, messageTerm: Term, from reader: inout ByteReader
    ) throws(DecodingFailure) -> Message.Body? {
        switch type {
        case .requestVote:
            return .requestVote(try RequestVote.decode(from: &reader))
        case .requestVoteReply:
            return .requestVoteReply(
                RequestVoteReply(
                    voteGranted: try reader.readBool("requestVoteReply.voteGranted"),
                    isPreVote: try reader.readBool("requestVoteReply.isPreVote"),
                    round: try reader.read(UInt64.self, "requestVoteReply.round")))
        case .appendEntries:
            return .appendEntries(
                try AppendEntries.decode(messageTerm: messageTerm, from: &reader))
        case .appendEntriesReply:
            return .appendEntriesReply(try AppendEntriesReply.decode(from: &reader))
        case .installSnapshot:
            return .installSnapshot(try InstallSnapshot.decode(from: &reader))
        case .installSnapshotReply:
            return .installSnapshotReply(try InstallSnapshotReply.decode(from: &reader))
        case .timeoutNow:
            return .timeoutNow
        case .hello, .welcome, .refusal, .confirm, .ping, .pong, .proposals, .proposalsRefused,
            .readIndexRequest, .readIndexReply, .stateDigest:
            return nil
        }
    }
}

extension RequestVote {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> RequestVote {
        RequestVote(
            lastLogIndex: try reader.readLogIndex("requestVote.lastLogIndex"),
            lastLogTerm: try reader.readTerm("requestVote.lastLogTerm"),
            isPreVote: try reader.readBool("requestVote.isPreVote"),
            round: try reader.read(UInt64.self, "requestVote.round"),
            isLeadershipTransfer: try reader.readBool("requestVote.isLeadershipTransfer"))
    }
}

extension AppendEntries {
    fileprivate static func decode(
        messageTerm: Term, from reader: inout ByteReader
    ) throws(DecodingFailure) -> AppendEntries {
        let prevLogIndex = try reader.readLogIndex("appendEntries.prevLogIndex")
        let prevLogTerm = try reader.readTerm("appendEntries.prevLogTerm")
        let leaderCommit = try reader.readLogIndex("appendEntries.leaderCommit")
        let readRound = try reader.read(UInt64.self, "appendEntries.readRound")
        let expectsReply = try reader.readBool("appendEntries.expectsReply")
        let entries = try decodeEntries(
            after: prevLogIndex, prevLogTerm, messageTerm: messageTerm, from: &reader)
        return AppendEntries(
            prevLogIndex: prevLogIndex, prevLogTerm: prevLogTerm, entries: entries,
            leaderCommit: leaderCommit, readRound: readRound, expectsReply: expectsReply)
    }

    /// Terms never fall along a log and never exceed the leader's (§5.3), so the decoder
    /// refuses what only a broken or hostile sender can write.
    private static func decodeEntries(
        after prevLogIndex: LogIndex, _ prevLogTerm: Term, messageTerm: Term,
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> [Entry] {
        let count = try reader.readCount(
            "appendEntries.entries", minimumBytesEach: 4, limit: WireLimits.entryCount)
        // Both are at most 2^62, so the sum fits.
        let last = prevLogIndex.rawValue &+ UInt64(count)
        guard last <= WireLimits.largestNumber else {
            throw .invalid(field: "appendEntries.entries", reason: "index \(last) is absurd")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        var term = prevLogTerm
        var index = prevLogIndex.rawValue
        for _ in 0..<count {
            let field = try reader.read(UInt32.self, "entry.length")
            if field & EntryLength.termFollows != 0 {
                let next = try reader.readTerm("entry.term")
                guard next > term, next <= messageTerm else {
                    throw .invalid(
                        field: "entry.term",
                        reason: "\(next) after \(term) in a message of term \(messageTerm)")
                }
                term = next
            }
            let length = Int(field & ~EntryLength.termFollows)
            guard length <= Entry.maximumPayloadBytes else {
                throw .tooLong(
                    field: "entry.payload", length: UInt64(length),
                    limit: Entry.maximumPayloadBytes)
            }
            index &+= 1
            let payload = [UInt8](try reader.readRaw(count: length, "entry.payload"))
            entries.append(Entry(index: LogIndex(index), term: term, payload: payload))
        }
        return entries
    }
}

extension AppendEntriesReply {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> AppendEntriesReply {
        let readRound = try reader.read(UInt64.self, "appendEntriesReply.readRound")
        let awaitsCommit = try reader.readBool("appendEntriesReply.awaitsCommit")
        let result: Result
        switch try reader.readResultTag("appendEntriesReply.result") {
        case .matched:
            result = .matched(try reader.readLogIndex("appendEntriesReply.matched"))
        case .mismatch:
            result = .mismatch(
                rejectedPrevLogIndex: try reader.readLogIndex("appendEntriesReply.rejected"),
                hintIndex: try reader.readLogIndex("appendEntriesReply.hintIndex"),
                hintTerm: try reader.readTerm("appendEntriesReply.hintTerm"))
        case .expecting, .installed:
            throw .invalid(field: "appendEntriesReply.result", reason: "a snapshot's result")
        }
        return AppendEntriesReply(
            result: result, readRound: readRound, awaitsCommit: awaitsCommit)
    }
}

extension InstallSnapshot {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> InstallSnapshot {
        let lastIncludedIndex = try reader.readLogIndex("installSnapshot.lastIncludedIndex")
        let lastIncludedTerm = try reader.readTerm("installSnapshot.lastIncludedTerm")
        let totalBytes = try reader.readSnapshotOffset("installSnapshot.totalBytes")
        let checksum = try reader.read(UInt32.self, "installSnapshot.checksum")
        let offset = try reader.readSnapshotOffset("installSnapshot.offset")
        let chunk = try reader.readBlob(
            "installSnapshot.chunk", limit: Snapshot.maximumBytes)
        guard offset &+ UInt64(chunk.count) <= totalBytes else {
            throw .invalid(field: "installSnapshot.offset", reason: "past the snapshot's end")
        }
        return InstallSnapshot(
            lastIncludedIndex: lastIncludedIndex, lastIncludedTerm: lastIncludedTerm,
            totalBytes: totalBytes, checksum: checksum, offset: offset, chunk: chunk)
    }
}

extension InstallSnapshotReply {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> InstallSnapshotReply {
        let lastIncludedIndex = try reader.readLogIndex("installSnapshotReply.lastIncludedIndex")
        let result: Result
        switch try reader.readResultTag("installSnapshotReply.result") {
        case .expecting:
            result = .expecting(
                offset: try reader.readSnapshotOffset("installSnapshotReply.offset"))
        case .installed:
            result = .installed(matchIndex: try reader.readLogIndex("installSnapshotReply.match"))
        case .matched, .mismatch:
            throw .invalid(field: "installSnapshotReply.result", reason: "an append's result")
        }
        return InstallSnapshotReply(lastIncludedIndex: lastIncludedIndex, result: result)
    }
}

extension ForwardedProposals {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> ForwardedProposals {
        let term = try reader.readTerm("proposals.term")
        let count = try reader.readCount(
            "proposals.count", minimumBytesEach: 12, limit: WireLimits.proposalCount)
        var proposals: [Proposal] = []
        proposals.reserveCapacity(count)
        for _ in 0..<count {
            let number = try reader.read(UInt64.self, "proposal.number")
            let command = try reader.readBlob(
                "proposal.command", limit: Entry.maximumPayloadBytes)
            proposals.append(Proposal(number: number, command: command))
        }
        return ForwardedProposals(term: term, proposals: proposals)
    }
}

extension RefusedProposals {
    fileprivate static func decode(
        from reader: inout ByteReader
    ) throws(DecodingFailure) -> RefusedProposals {
        let code = try reader.read(UInt8.self, "proposalsRefused.reason")
        guard let reason = Reason(rawValue: code) else {
            throw .invalid(field: "proposalsRefused.reason", reason: "\(code) is not a reason")
        }
        let term = try reader.readTerm("proposalsRefused.term")
        let count = try reader.readCount(
            "proposalsRefused.count", minimumBytesEach: 8, limit: WireLimits.proposalCount)
        var numbers: [UInt64] = []
        numbers.reserveCapacity(count)
        for _ in 0..<count {
            numbers.append(try reader.read(UInt64.self, "proposalsRefused.number"))
        }
        return RefusedProposals(reason: reason, term: term, numbers: numbers)
    }
}
