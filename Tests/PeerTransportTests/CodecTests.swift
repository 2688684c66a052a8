import BinaryCoding
import NIOCore
import PeerTransport
import RaftCore
import SeededRandom
import Testing

@Suite("Peer frames")
struct CodecTests {
    @Test("every frame survives encoding and decoding", arguments: sampleFrames.map(\.frame))
    func roundTrip(_ frame: PeerFrame) throws {
        #expect(try decodeAll(encoded([frame])) == [frame])
    }

    @Test("random frames of any magnitude survive encoding and decoding")
    func randomRoundTrip() throws {
        for seed in UInt64(0)..<200 {
            var random = SplitMix(seed: seed)
            let frames = (0..<20).map { _ in randomFrame(using: &random) }
            #expect(try decodeAll(encoded(frames)) == frames, "seed \(seed)")
        }
    }

    @Test("frames arrive whole wherever the network splits them")
    func splitAtEveryOffset() throws {
        let frames = sampleFrames.map(\.frame)
        let bytes = encoded(frames)
        for cut in 0...bytes.readableBytes {
            let first = bytes.getSlice(at: 0, length: cut) ?? ByteBuffer()
            let second =
                bytes.getSlice(at: cut, length: bytes.readableBytes - cut) ?? ByteBuffer()
            #expect(try decodeAll(first, second) == frames, "cut at \(cut)")
        }
        let single = bytes.readableBytesView.map { ByteBuffer(bytes: [$0]) }
        #expect(try decodeAll(single) == frames)
    }

    @Test("lengths of zero, under five, over the limit and 2^32-1 are refused at once (N11)")
    func absurdLengths() {
        for length: UInt32 in [0, 1, 4, 1025, 1 << 31, .max] {
            var assembler = FrameAssembler(limit: 1024)
            assembler.append(ByteBuffer(integer: length))
            var seal = FrameSeal.unbound
            #expect(throws: DecodingFailure.self, "\(length)") {
                _ = try assembler.next(seal: &seal) { type, _ throws(DecodingFailure) in type }
            }
        }
    }

    @Test("a frame over the limit is not sent, and leaves no trace in the stream")
    func overLimit() throws {
        var bytes = ByteBuffer()
        var seal = FrameSeal(diallerNonce: 1, listenerNonce: 2, direction: .fromDialler)
        let small = PeerFrame.readIndexRequest(number: 1)
        let written = bytes.write(
            entries(after: 1, payload: [UInt8](repeating: 7, count: 100)), seal: &seal, limit: 50)
        #expect(written == nil)
        #expect(bytes.write(small, seal: &seal, limit: 50) != nil)
        let fresh = FrameSeal(diallerNonce: 1, listenerNonce: 2, direction: .fromDialler)
        #expect(try decodeAll([bytes], seal: fresh) == [small])
    }

    @Test("a type that does not exist is refused by name (N16)")
    func unknownType() {
        var assembler = FrameAssembler(limit: 1024)
        assembler.append(rawFrame(type: 0x7F, body: [1, 2, 3]))
        var seal = FrameSeal.unbound
        #expect(
            throws: DecodingFailure.invalid(
                field: "type", reason: "127 is not a frame of this version")
        ) {
            _ = try assembler.next(seal: &seal) { type, _ throws(DecodingFailure) in type }
        }
    }

    @Test("bytes after a body's last field are refused (N16)", arguments: sampleFrames.map(\.frame))
    func trailingBytes(_ frame: PeerFrame) throws {
        let bytes = encoded([frame])
        let body = bytes.getBytes(at: 5, length: bytes.readableBytes - 9) ?? []
        #expect(throws: DecodingFailure.self) {
            _ = try decodeAll(rawFrame(type: frame.type.rawValue, body: body + [0]))
        }
    }

    @Test("a body cut short anywhere is refused (N12)", arguments: sampleFrames.map(\.frame))
    func truncated(_ frame: PeerFrame) throws {
        let bytes = encoded([frame])
        let body = bytes.getBytes(at: 5, length: bytes.readableBytes - 9) ?? []
        for count in body.indices {
            #expect(throws: DecodingFailure.self) {
                _ = try decodeAll(
                    rawFrame(type: frame.type.rawValue, body: Array(body.prefix(count))))
            }
        }
    }

    @Test("any flipped bit is noticed by the checksum or the length (N12)")
    func flippedBits() {
        for (name, frame) in sampleFrames {
            let bytes = encoded([frame])
            for bit in 0..<bytes.readableBytes * 8 {
                let frames = try? decodeAll(flipping(bit, of: bytes))
                // A longer length waits for bytes that never come; nothing is misread.
                #expect(frames == nil || frames == [], "\(name), bit \(bit)")
            }
        }
    }
}

@Suite("Absurd values from a peer (C21)")
struct AbsurdValueTests {
    @Test("terms and indexes over 2^62 are refused")
    func hugeNumbers() {
        let huge = WireLimits.largestNumber + 1
        let frames: [PeerFrame] = [
            .raft(Message(from: ServerID(1), term: Term(huge), body: .timeoutNow)),
            .stateDigest(index: LogIndex(huge), digest: 0),
            .readIndexReply(ReadIndexReply(number: 0, index: LogIndex(.max))),
            .proposals(ForwardedProposals(term: Term(.max), proposals: [])),
            heartbeat(commit: huge),
            message(.appendEntriesReply(.init(result: .matched(LogIndex(huge)), readRound: 0))),
            entries(after: WireLimits.largestNumber, payload: []),
        ]
        for frame in frames {
            #expect(throws: DecodingFailure.self) { _ = try decodeAll(encoded([frame])) }
        }
    }

    @Test("server 0 is nobody")
    func serverZero() {
        #expect(throws: DecodingFailure.self) {
            _ = try decodeAll(encoded([message(.timeoutNow, from: 0)]))
        }
    }

    @Test("entries' terms never fall and never exceed the leader's (§5.3)")
    func termsOfEntries() {
        for terms: [UInt64] in [[3, 2], [0x64], [1]] {
            let entries = terms.enumerated().map {
                Entry(index: LogIndex(UInt64($0) + 6), term: Term($1), payload: [])
            }
            let append = AppendEntries(
                prevLogIndex: LogIndex(5), prevLogTerm: Term(2), entries: entries,
                leaderCommit: .zero, readRound: 0)
            #expect(throws: DecodingFailure.self) {
                _ = try decodeAll(encoded([message(.appendEntries(append))]))
            }
        }
    }

    @Test("a count of entries that the frame cannot hold is refused before allocation")
    func hugeCount() {
        var body = [UInt8](repeating: 0, count: 2 + 8 + 4 * 8 + 1)
        body[1] = 1
        for count: [UInt8] in [[0xFF, 0xFF, 0xFF, 0xFF], [0x00, 0x04, 0x00, 0x00]] {
            #expect(throws: DecodingFailure.self) {
                _ = try decodeAll(rawFrame(type: 0x12, body: body + count))
            }
        }
    }

    @Test("a chunk that ends past its snapshot is refused")
    func chunkPastEnd() {
        #expect(throws: DecodingFailure.self) {
            _ = try decodeAll(encoded([snapshotChunk([1, 2], offset: 9, total: 10)]))
        }
        #expect(throws: DecodingFailure.self) {
            _ = try decodeAll(encoded([snapshotChunk([], offset: 0, total: .max)]))
        }
    }
}

// MARK: - Tools

func encoded(_ frames: [PeerFrame], seal: FrameSeal = .unbound) -> ByteBuffer {
    var bytes = ByteBuffer()
    var seal = seal
    for frame in frames { _ = bytes.write(frame, seal: &seal) }
    return bytes
}

func decodeAll(
    _ pieces: [ByteBuffer], seal: FrameSeal = .unbound
) throws(DecodingFailure) -> [PeerFrame] {
    var assembler = FrameAssembler(limit: 4 << 20)
    var seal = seal
    var frames: [PeerFrame] = []
    for piece in pieces {
        assembler.append(piece)
        while let frame = try assembler.next(
            seal: &seal,
            { type, reader throws(DecodingFailure) -> PeerFrame? in
                if let frame = try PeerFrame.decode(type, from: &reader) { return frame }
                // One of the connection's own.
                _ = try reader.readRaw(count: reader.remaining, "body")
                return nil
            })
        {
            if let frame { frames.append(frame) }
        }
    }
    return frames
}

func decodeAll(_ pieces: ByteBuffer...) throws(DecodingFailure) -> [PeerFrame] {
    try decodeAll(pieces)
}

/// A frame with a correct length and checksum around any type and body.
func rawFrame(type: UInt8, body: [UInt8]) -> ByteBuffer {
    var bytes = ByteBuffer(integer: UInt32(body.count + 5))
    bytes.writeInteger(type)
    bytes.writeBytes(body)
    bytes.writeInteger(CRC32C.checksum([type] + body))
    return bytes
}

func flipping(_ bit: Int, of bytes: ByteBuffer) -> ByteBuffer {
    var flipped = bytes
    let byte = bytes.getInteger(at: bit / 8, as: UInt8.self) ?? 0
    flipped.setInteger(byte ^ (1 << UInt8(bit % 8)), at: bit / 8)
    return flipped
}
