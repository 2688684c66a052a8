package import NIOCore
import RaftCore

extension ByteBuffer {
    /// Appends one whole frame: length, type, body, checksum.
    ///
    /// - Returns: The size in bytes, or nil when it would be over `limit` (of the length field);
    ///   then neither the buffer nor the seal has changed.
    package mutating func writeFrame(
        _ type: FrameType, seal: inout FrameSeal, limit: Int = .max,
        body: (inout ByteBuffer) -> Void = { _ in }
    ) -> Int? {
        let start = writerIndex
        writeInteger(UInt32(0))
        writeInteger(type.rawValue)
        body(&self)
        let sealed = start + WireLimits.lengthBytes
        let length = writerIndex - sealed + MemoryLayout<UInt32>.size
        guard length <= limit, let lengthField = UInt32(exactly: length) else {
            moveWriterIndex(to: start)
            return nil
        }
        let offset = sealed - readerIndex
        let checksum = withUnsafeReadableBytes { bytes in
            seal.next(over: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
        }
        writeInteger(checksum)
        setInteger(lengthField, at: start)
        return writerIndex - start
    }

    /// Appends `frame`. See ``writeFrame(_:seal:limit:body:)``.
    package mutating func write(
        _ frame: PeerFrame, seal: inout FrameSeal, limit: Int = .max
    ) -> Int? {
        writeFrame(frame.type, seal: &seal, limit: limit) { $0.writeBody(frame) }
    }

    private mutating func writeBody(_ frame: PeerFrame) {
        switch frame {
        case .raft(let message):
            writeInteger(message.from.rawValue)
            writeInteger(message.term.rawValue)
            writeBody(message.body)
        case .proposals(let forwarded):
            writeInteger(forwarded.term.rawValue)
            writeCount(forwarded.proposals.count)
            for proposal in forwarded.proposals {
                writeInteger(proposal.number)
                writeBlob(proposal.command)
            }
        case .proposalsRefused(let refused):
            writeInteger(refused.reason.rawValue)
            writeInteger(refused.term.rawValue)
            writeCount(refused.numbers.count)
            for number in refused.numbers { writeInteger(number) }
        case .readIndexRequest(let number):
            writeInteger(number)
        case .readIndexReply(let reply):
            writeInteger(reply.number)
            writeBool(reply.index != nil)
            if let index = reply.index { writeInteger(index.rawValue) }
        case .stateDigest(let index, let digest):
            writeInteger(index.rawValue)
            writeInteger(digest)
        }
    }

    private mutating func writeBody(_ body: Message.Body) {
        switch body {
        case .requestVote(let request):
            writeInteger(request.lastLogIndex.rawValue)
            writeInteger(request.lastLogTerm.rawValue)
            writeBool(request.isPreVote)
            writeInteger(request.round)
            writeBool(request.isLeadershipTransfer)
        case .requestVoteReply(let reply):
            writeBool(reply.voteGranted)
            writeBool(reply.isPreVote)
            writeInteger(reply.round)
        case .appendEntries(let request):
            writeAppendEntries(request)
        case .appendEntriesReply(let reply):
            writeAppendEntriesReply(reply)
        case .installSnapshot(let request):
            writeInteger(request.lastIncludedIndex.rawValue)
            writeInteger(request.lastIncludedTerm.rawValue)
            writeInteger(request.totalBytes)
            writeInteger(request.checksum)
            writeInteger(request.offset)
            writeBlob(request.chunk)
        case .installSnapshotReply(let reply):
            writeInteger(reply.lastIncludedIndex.rawValue)
            switch reply.result {
            case .expecting(let offset):
                writeInteger(ResultTag.expecting.rawValue)
                writeInteger(offset)
            case .installed(let matchIndex):
                writeInteger(ResultTag.installed.rawValue)
                writeInteger(matchIndex.rawValue)
            }
        case .timeoutNow:
            break
        }
    }

    /// Indexes are not written: entry k of a batch has index `prevLogIndex + 1 + k`. A term is
    /// written where it differs from the one before it, announced by the top bit of the length.
    private mutating func writeAppendEntries(_ request: AppendEntries) {
        writeInteger(request.prevLogIndex.rawValue)
        writeInteger(request.prevLogTerm.rawValue)
        writeInteger(request.leaderCommit.rawValue)
        writeInteger(request.readRound)
        writeBool(request.expectsReply)
        writeCount(request.entries.count)
        var term = request.prevLogTerm
        for entry in request.entries {
            let length = UInt32(truncatingIfNeeded: entry.payload.count)
            if entry.term == term {
                writeInteger(length)
            } else {
                term = entry.term
                writeInteger(length | EntryLength.termFollows)
                writeInteger(term.rawValue)
            }
            writeBytes(entry.payload)
        }
    }

    private mutating func writeAppendEntriesReply(_ reply: AppendEntriesReply) {
        writeInteger(reply.readRound)
        writeBool(reply.awaitsCommit)
        switch reply.result {
        case .matched(let index):
            writeInteger(ResultTag.matched.rawValue)
            writeInteger(index.rawValue)
        case .mismatch(let rejectedPrevLogIndex, let hintIndex, let hintTerm):
            writeInteger(ResultTag.mismatch.rawValue)
            writeInteger(rejectedPrevLogIndex.rawValue)
            writeInteger(hintIndex.rawValue)
            writeInteger(hintTerm.rawValue)
        }
    }

    /// One byte, 0 or 1.
    mutating func writeBool(_ value: Bool) { writeInteger(UInt8(value ? 1 : 0)) }

    /// A 32-bit count. One that does not fit makes a frame that is over every limit.
    mutating func writeCount(_ count: Int) { writeInteger(UInt32(truncatingIfNeeded: count)) }

    /// A 32-bit count of bytes, then the bytes.
    mutating func writeBlob(_ bytes: [UInt8]) {
        writeCount(bytes.count)
        writeBytes(bytes)
    }
}

/// How an entry's 32-bit length field is shared with the mark for a change of term.
enum EntryLength {
    static let termFollows: UInt32 = 1 << 31
}

/// The byte that says which case of a reply's result follows.
enum ResultTag: UInt8 {
    case matched = 1
    case mismatch = 2
    case expecting = 3
    case installed = 4
}

extension PeerFrame {
    /// The frame's type byte.
    package var type: FrameType {
        switch self {
        case .raft(let message): message.body.type
        case .proposals: .proposals
        case .proposalsRefused: .proposalsRefused
        case .readIndexRequest: .readIndexRequest
        case .readIndexReply: .readIndexReply
        case .stateDigest: .stateDigest
        }
    }
}

extension Message.Body {
    fileprivate var type: FrameType {
        switch self {
        case .requestVote: .requestVote
        case .requestVoteReply: .requestVoteReply
        case .appendEntries: .appendEntries
        case .appendEntriesReply: .appendEntriesReply
        case .installSnapshot: .installSnapshot
        case .installSnapshotReply: .installSnapshotReply
        case .timeoutNow: .timeoutNow
        }
    }
}
