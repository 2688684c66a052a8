import BinaryCoding
import NIOCore
import NIOEmbedded
import RaftCore

@testable import PeerTransport

/// A peer's connection through the real handler, from the handshake on.
///
/// Input: a script. Each step is an operation, a length and that many bytes. Checksums, which a
/// fuzzer cannot guess, are put in where the operation says so; everything else is as given.
enum PeerSession {
    private enum Operation: UInt8 {
        /// Bytes as they are.
        case raw
        /// The right Hello; a first byte of 1 asks for a snapshot connection.
        case hello
        /// A frame of the handshake: type and body, with a right checksum.
        case unsealed
        /// The right Confirm.
        case confirm
        /// A frame of the session: type and body, with a right checksum.
        case sealed
        /// The next write arrives one byte at a time.
        case split
        /// Time passes: the first byte times a hundred milliseconds.
        case wait
        /// The peer stops to read, or reads on.
        case block
        static let count: UInt8 = 8
    }

    /// Refuses what must never be: an event that the peer's place does not allow.
    static func run(_ input: [UInt8]) throws(FuzzFinding) {
        let harness = PeerHarness()
        var script = InputReader(input)
        var steps = 0
        while !script.isEmpty, steps < 64, harness.isOpen {
            steps += 1
            let operation = Operation(rawValue: script.byte() % Operation.count)
            let bytes = script.bytes(Int(script.number(UInt16.self)))
            switch operation {
            case .raw, nil: harness.receive(ByteBuffer(bytes: bytes))
            case .hello: harness.sayHello(bytes.first == 1 ? .snapshot : .main)
            case .unsealed: harness.sendFrame(bytes, isSealed: false)
            case .confirm: harness.confirm()
            case .sealed: harness.sendFrame(bytes, isSealed: true)
            case .split: harness.splitsNext = true
            case .wait: harness.wait(Int64(bytes.first ?? 1) * 100)
            case .block: harness.channel.isWritable.toggle()
            }
        }
        harness.end()
        if let finding = harness.finding { throw FuzzFinding(finding) }
    }

    private static func step(_ operation: Operation, _ bytes: [UInt8] = []) -> [UInt8] {
        [operation.rawValue] + bigEndianBytes(UInt16(bytes.count)) + bytes
    }

    /// Good sessions, one with each frame and one with all of them.
    static var seeds: [[UInt8]] {
        let main = step(.hello) + step(.confirm)
        let frames = peerFrameSeeds.map { step(.sealed, $0) }
        let ping = step(.sealed, [FrameType.ping.rawValue] + bigEndianBytes(UInt64(1)))
        let all = main + frames.joined() + ping
        var raw = ByteBuffer()
        sampleHello(kind: .main).write(to: &raw)
        return frames.map { main + $0 + ping }
            + frames.map { step(.hello, [1]) + step(.confirm) + $0 }
            + peerFrameSeeds.map { step(.unsealed, $0) }
            + [
                all, step(.split) + all, main + step(.block) + ping + ping + step(.block) + ping,
                step(.raw, Array(raw.readableBytesView)) + step(.confirm) + ping,
                step(.hello) + step(.wait, [30]) + step(.confirm),
            ]
    }
}

/// A transport that never dials, and one accepted connection of it.
private final class PeerHarness {
    let channel: EmbeddedChannel
    private let transport: PeerTransport
    private var handshakeSeal = FrameSeal.unbound
    private var seal = FrameSeal.unbound
    private var confirmation: UInt64?
    private let events = Box()
    var splitsNext = false

    /// What the transport told its node. A class of its own: the transport's closure holds it.
    private final class Box {
        var sinceBatch = 0
        var isEnded = false
        var finding: String?
    }

    var finding: String? { events.finding }
    var isOpen: Bool { channel.isActive }

    init() {
        let loop = EmbeddedEventLoop()
        let events = events
        var configuration = PeerTransport.Configuration(
            clusterID: 0xC1, clusterName: "test", serverID: ServerID(1),
            peers: [.init(id: ServerID(2), host: "127.0.0.1", port: 1)],
            listenHost: "127.0.0.1", listenPort: 0, memberDigest: 0xD1,
            linkTimeoutMilliseconds: 2_000)
        configuration.maximumFrameBytes = 1 << 16
        transport = PeerTransport(configuration: configuration, loop: loop) {
            Self.note($0, in: events)
        }
        transport.life = .running
        channel = EmbeddedChannel(handler: nil, loop: loop)
        do {
            let connection = InboundConnection(of: transport)
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        } catch {
            events.finding = "the harness does not start: \(error)"
        }
    }

    private static func note(_ event: PeerEvent, in events: Box) {
        if events.isEnded { events.finding = "\(event) after the connection's end" }
        switch event {
        case .received(let frame, from: let server):
            events.sinceBatch += 1
            if server != ServerID(2) { events.finding = "\(frame) is said to be of \(server)" }
            if let sender = frame.sender, sender != server {
                events.finding = "server \(server) spoke as \(sender)"
            }
        case .batchEnded:
            if events.sinceBatch == 0 { events.finding = "a batch of nothing ended" }
            events.sinceBatch = 0
        case .linkUp, .linkDown, .unreachable:
            events.finding = "\(event), although nothing was dialled"
        case .handshakeRefused, .protocolViolation:
            break
        }
    }

    func receive(_ bytes: ByteBuffer) {
        let pieces =
            splitsNext
            ? bytes.readableBytesView.prefix(4096).map { ByteBuffer(bytes: [$0]) } : [bytes]
        splitsNext = false
        for piece in pieces where channel.isActive {
            // An error here is a closed channel, which `isOpen` tells.
            _ = try? channel.writeInbound(piece)
        }
        takeAnswers()
    }

    /// Looks for the Welcome, whose nonce the session's checksums need.
    private func takeAnswers() {
        while let answer = try? channel.readOutbound(as: ByteBuffer.self) {
            guard answer.getInteger(at: 4, as: UInt8.self) == FrameType.welcome.rawValue,
                let body = answer.getBytes(at: 5, length: answer.readableBytes - 9),
                let welcome = decoded(body, Welcome.decode)
            else { continue }
            confirmation = welcome.nonce
            seal = FrameSeal(
                diallerNonce: welcome.echoedNonce, listenerNonce: welcome.nonce,
                direction: .fromDialler)
        }
    }

    func sayHello(_ kind: ConnectionKind) {
        var bytes = ByteBuffer()
        sampleHello(kind: kind).write(to: &bytes)
        FuzzWork.countFrame()
        receive(bytes)
    }

    func confirm() {
        guard let confirmation else { return }
        var bytes = ByteBuffer()
        _ = bytes.writeFrame(.confirm, seal: &seal) { $0.writeInteger(confirmation) }
        FuzzWork.countFrame()
        receive(bytes)
    }

    func sendFrame(_ typeAndBody: [UInt8], isSealed: Bool) {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt32(clamping: typeAndBody.count + 4))
        bytes.writeBytes(typeAndBody)
        let checksum = typeAndBody.withUnsafeBytes {
            isSealed ? seal.next(over: $0) : handshakeSeal.next(over: $0)
        }
        bytes.writeInteger(checksum)
        FuzzWork.countFrame()
        receive(bytes)
    }

    func wait(_ milliseconds: Int64) {
        channel.embeddedEventLoop.advanceTime(by: .milliseconds(milliseconds))
    }

    /// Closes; nothing may be left, nor said later.
    func end() {
        if channel.isActive { channel.close(promise: nil) }
        channel.embeddedEventLoop.run()
        events.isEnded = true
        wait(100_000)
        if !transport.unauthenticated.isEmpty || !transport.inbound.isEmpty {
            events.finding = "the closed connection is still on a list"
        }
        if events.sinceBatch > 0 { events.finding = "frames were delivered in no batch" }
        _ = try? channel.finish(acceptAlreadyClosed: true)
    }
}
