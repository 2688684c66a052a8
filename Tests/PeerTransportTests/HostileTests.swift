import BinaryCoding
import NIOCore
import PeerTransport
import RaftCore
import Testing

@Suite("Hostile and broken peers are cut off", .serialized)
struct HostileTests {
    @Test(
        "a valid frame before the Hello closes the connection (N13)",
        arguments: [heartbeat(commit: 1), .readIndexRequest(number: 1)])
    func beforeHello(_ frame: PeerFrame) async throws {
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            try await raw.send(encoded([frame]))
            #expect(await raw.waitForClose())
            #expect(one.frames == [])
            #expect(one.violations.first?.contains("before the Hello") == true)
        }
    }

    @Test("a frame in the place of the Confirm closes the connection (N13)")
    func beforeConfirm() async throws {
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            var bytes = ByteBuffer()
            hello().write(to: &bytes)
            try await raw.send(bytes)
            guard case .success(let welcome)? = try await raw.answer() else {
                Issue.record("not welcome")
                return
            }
            let seal = FrameSeal(
                diallerNonce: 7, listenerNonce: welcome.nonce, direction: .fromDialler)
            try await raw.send(encoded([heartbeat(commit: 1)], seal: seal))
            #expect(await raw.waitForClose())
            #expect(one.frames == [])
            #expect(one.violations.first?.contains("before the Confirm") == true)
        }
    }

    @Test("a frame of the wrong kind of connection closes it (N13)")
    func wrongKind() async throws {
        let cases: [(ConnectionKind, PeerFrame)] = [
            (.main, snapshotChunk([1], offset: 0, total: 1)), (.snapshot, heartbeat(commit: 1)),
        ]
        for (kind, frame) in cases {
            try await withEstablished(kind) { one, raw, seal in
                try await raw.send(encoded([frame], seal: seal))
                #expect(await raw.waitForClose())
                #expect(one.frames == [])
                #expect(one.violations.first?.contains("on a \(kind) connection") == true)
            }
        }
    }

    @Test(
        "a frame of the handshake after it closes the connection (N13)",
        arguments: [FrameType.hello, .welcome, .refusal, .confirm, .pong])
    func lateHandshake(_ type: FrameType) async throws {
        try await withEstablished { one, raw, seal in
            var (seal, bytes) = (seal, ByteBuffer())
            _ = bytes.writeFrame(type, seal: &seal) { $0.writeInteger(UInt64(0)) }
            try await raw.send(bytes)
            #expect(await raw.waitForClose())
            #expect(one.violations.first?.contains("on an established connection") == true)
        }
    }

    @Test("a message in another server's name closes the connection (N15)")
    func wrongSender() async throws {
        try await withEstablished { one, raw, seal in
            try await raw.send(
                encoded([heartbeat(commit: 1), heartbeat(commit: 2, from: 3)], seal: seal))
            #expect(await raw.waitForClose())
            #expect(one.frames == [heartbeat(commit: 1)])
            #expect(one.violations.first?.contains("it says server 3") == true)
            // What came before is the node's to handle, as one batch.
            #expect(await eventually { one.saw(.batchEnded) })
        }
    }

    @Test("an unknown frame type closes the connection and says which (N16)")
    func unknownType() async throws {
        try await withEstablished { one, raw, seal in
            var seal = seal
            let sealed: [UInt8] = [0x7F, 1, 2, 3]
            var bytes = ByteBuffer(integer: UInt32(sealed.count + 4))
            bytes.writeBytes(sealed)
            bytes.writeInteger(sealed.withUnsafeBytes { seal.next(over: $0) })
            try await raw.send(bytes)
            #expect(await raw.waitForClose())
            #expect(one.violations.first?.contains("127 is not a frame") == true)
        }
    }

    @Test("a length over the limit closes the connection before anything is read (N11)")
    func hugeLength() async throws {
        try await withEstablished { one, raw, _ in
            try await raw.send(ByteBuffer(integer: UInt32.max))
            #expect(await raw.waitForClose())
            #expect(one.violations.first?.contains("over the limit") == true)
        }
    }

    @Test("before the handshake is over only frames of a Hello's size are read (N11)")
    func hugeHello() async throws {
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            try await raw.send(ByteBuffer(integer: UInt32(2_000)))
            #expect(await raw.waitForClose())
            #expect(one.violations.first?.contains("over the limit of 1024") == true)
        }
    }

    @Test("a recorded session is refused when it is played again (N22)")
    func replay() async throws {
        try await withOne { one, port in
            var recording = ByteBuffer()
            hello().write(to: &recording)
            let first = try await RawPeer.connect(toPort: port)
            try await first.send(recording)
            guard case .success(let welcome)? = try await first.answer() else {
                Issue.record("not welcome")
                return
            }
            var seal = FrameSeal(
                diallerNonce: 7, listenerNonce: welcome.nonce, direction: .fromDialler)
            var rest = ByteBuffer()
            _ = rest.writeFrame(.confirm, seal: &seal) { $0.writeInteger(welcome.nonce) }
            _ = rest.write(heartbeat(commit: 1), seal: &seal)
            try await first.send(rest)
            #expect(await eventually { one.frames.count == 1 })

            let second = try await RawPeer.connect(toPort: port)
            try await second.send(recording)
            _ = try await second.answer()
            try await second.send(rest)
            #expect(await second.waitForClose())
            #expect(one.frames.count == 1)
            #expect(one.violations.first?.contains("checksum") == true)
            // The real connection has not been replaced by the recording.
            try await first.send(encoded([heartbeat(commit: 2)], seal: seal))
            #expect(await eventually { one.frames.count == 2 })
        }
    }

    @Test("a frame played twice within its own session is refused (N22)")
    func repeatedFrame() async throws {
        try await withEstablished { one, raw, seal in
            let bytes = encoded([heartbeat(commit: 1)], seal: seal)
            try await raw.send(bytes)
            try await raw.send(bytes)
            #expect(await raw.waitForClose())
            #expect(one.frames.count == 1)
        }
    }

    @Test("the newest connection of a peer and kind replaces the older one (N18)")
    func replaced() async throws {
        try await withOne { one, port in
            let older = try await RawPeer.connect(toPort: port)
            _ = try await older.shakeHands(hello(nonce: 1))
            let snapshot = try await RawPeer.connect(toPort: port)
            _ = try await snapshot.shakeHands(hello(kind: .snapshot, nonce: 2))
            let newer = try await RawPeer.connect(toPort: port)
            let seal = try #require(try await newer.shakeHands(hello(nonce: 3)))
            #expect(await older.waitForClose())
            try await newer.send(encoded([heartbeat(commit: 1)], seal: seal))
            #expect(await eventually { one.frames.count == 1 })
            #expect(!snapshot.isClosed && !newer.isClosed)
            #expect(one.violations == [])
        }
    }

    @Test("an inbound connection that falls silent is closed (N8)")
    func silent() async throws {
        try await withOne(configure: { $0.linkTimeoutMilliseconds = 100 }) { _, port in
            let raw = try await RawPeer.connect(toPort: port)
            _ = try await raw.shakeHands(hello())
            #expect(await raw.waitForClose())
        }
    }

    private func withEstablished(
        _ kind: ConnectionKind = .main,
        _ body: (TestNode, RawPeer, FrameSeal) async throws -> Void
    ) async throws {
        try await withOne { one, port in
            let raw = try await RawPeer.connect(toPort: port)
            let seal = try #require(try await raw.shakeHands(hello(kind: kind)))
            try await body(one, raw, seal)
        }
    }
}
