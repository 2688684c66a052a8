import BinaryCoding
import Foundation
import NIOCore
import PeerTransport
import RaftCore
import SeededRandom
import Testing

/// Seconds that each loop runs: `LATCH_FUZZ_SECONDS`, one in ordinary test runs.
private let fuzzTime = Duration.seconds(
    ProcessInfo.processInfo.environment["LATCH_FUZZ_SECONDS"].flatMap(Double.init) ?? 1)

/// `LATCH_SEED` repeats a failing run.
private let firstSeed =
    ProcessInfo.processInfo.environment["LATCH_SEED"].flatMap(UInt64.init)
    ?? UInt64.random(in: 0 ... .max / 2)

@Suite("Damaged frames never trap (N11, N12, S15)", .serialized)
struct FuzzTests {
    @Test("bodies that pass the checksum but are damaged are decoded or refused")
    func damagedBodies() {
        repeatedly { random in
            var body = randomBody(using: &random)
            damage(&body, using: &random)
            let type =
                Bool.random(using: &random)
                ? UInt8.random(in: 0...0x25, using: &random) : .random(in: 0...255, using: &random)
            if let frames = try? decodeAll(rawFrame(type: type, body: body)) {
                // What is accepted means one thing only: it encodes to the same frame again.
                for frame in frames {
                    let again = try? decodeAll(encoded([frame]))
                    if again != [frame] { return "\(frame) became \(String(describing: again))" }
                }
            }
            return nil
        }
    }

    @Test("damaged streams in random pieces give a prefix of what was sent")
    func damagedStreams() {
        repeatedly { random in
            let frames = (0..<5).map { _ in randomFrame(using: &random) }
            let seal = FrameSeal(diallerNonce: 1, listenerNonce: 2, direction: .fromDialler)
            var bytes = [UInt8](encoded(frames, seal: seal).readableBytesView)
            damage(&bytes, using: &random)
            var received: [PeerFrame] = []
            var assembler = FrameAssembler(limit: 1 << 16)
            var receiveSeal = seal
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...rest.count, using: &random)
                assembler.append(ByteBuffer(bytes: rest.prefix(count)))
                rest = rest.dropFirst(count)
                do throws(DecodingFailure) {
                    while let frame = try assembler.next(
                        seal: &receiveSeal,
                        { type, reader throws(DecodingFailure) in
                            try PeerFrame.decode(type, from: &reader)
                        })
                    {
                        if let frame { received.append(frame) }
                    }
                } catch {
                    break
                }
            }
            return received == Array(frames.prefix(received.count)) ? nil : "misread: \(received)"
        }
    }

    @Test("damaged handshakes are decoded or refused")
    func damagedHandshakes() {
        repeatedly { random in
            var bytes = ByteBuffer()
            hello().write(to: &bytes)
            var body = bytes.getBytes(at: 5, length: bytes.readableBytes - 9) ?? []
            damage(&body, using: &random)
            _ = try? ByteReader.withReader(over: body, Hello.decode)
            _ = try? ByteReader.withReader(over: body, Welcome.decode)
            _ = try? ByteReader.withReader(over: body, HandshakeRefusal.decode)
            return nil
        }
    }

    @Test("hostile sessions on a real socket never harm the transport (N13)")
    func hostileSessions() async throws {
        try await withOne { one, port in
            let deadline = ContinuousClock.now + fuzzTime
            var seed = firstSeed
            while ContinuousClock.now < deadline {
                var random = SplitMix(seed: seed)
                seed += 1
                try await hostileSession(port, using: &random)
            }
            let raw = try await RawPeer.connect(toPort: port)
            let seal = try #require(try await raw.shakeHands(hello()), "after seed \(seed - 1)")
            let mark = PeerFrame.readIndexRequest(number: 0xFEED)
            try await raw.send(encoded([mark], seal: seal))
            #expect(await eventually { one.frames.last == mark }, "after seed \(seed - 1)")
        }
    }

    /// Says Hello properly or not, then sends frames that are valid, damaged or out of place.
    private func hostileSession(_ port: Int, using random: inout SplitMix) async throws {
        let raw = try await RawPeer.connect(toPort: port)
        var seal = FrameSeal.unbound
        if Int.random(in: 0..<4, using: &random) > 0 {
            let kind: ConnectionKind = Bool.random(using: &random) ? .main : .snapshot
            seal = try await raw.shakeHands(hello(kind: kind, nonce: random.next())) ?? seal
        }
        var bytes = ByteBuffer()
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            switch Int.random(in: 0..<3, using: &random) {
            case 0: _ = bytes.write(randomFrame(using: &random), seal: &seal)
            case 1: hello().write(to: &bytes)
            // default: open set
            default: _ = bytes.write(heartbeat(commit: random.number()), seal: &seal)
            }
        }
        var damaged = [UInt8](bytes.readableBytesView)
        if Bool.random(using: &random) { damage(&damaged, using: &random) }
        await raw.sendIfPossible(ByteBuffer(bytes: damaged))
        await raw.close()
    }

    private func repeatedly(_ body: (inout SplitMix) -> String?) {
        let deadline = ContinuousClock.now + fuzzTime
        var seed = firstSeed
        while ContinuousClock.now < deadline {
            for _ in 0..<100 {
                var random = SplitMix(seed: seed)
                if let problem = body(&random) {
                    Issue.record("LATCH_SEED=\(seed): \(problem)")
                    return
                }
                seed += 1
            }
        }
    }

    private func randomBody(using random: inout SplitMix) -> [UInt8] {
        if Int.random(in: 0..<8, using: &random) == 0 { return random.bytes() }
        let bytes = encoded([randomFrame(using: &random)])
        return bytes.getBytes(at: 5, length: bytes.readableBytes - 9) ?? []
    }

    /// Flips, overwrites, cuts, repeats or inserts bytes; sometimes leaves them as they are.
    private func damage(_ bytes: inout [UInt8], using random: inout SplitMix) {
        for _ in 0..<Int.random(in: 0...3, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 1: bytes[index] = .random(in: 0...255, using: &random)
            case 2: bytes.removeLast(bytes.count - index)
            case 3: bytes.insert(.random(in: 0...255, using: &random), at: index)
            case 4: bytes.append(contentsOf: bytes[index...].prefix(16))
            // default: open set
            default:
                for position in bytes[index...].prefix(8).indices { bytes[position] = 0xFF }
            }
        }
    }
}
