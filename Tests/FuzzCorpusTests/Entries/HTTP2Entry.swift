import NIOCore
import NIOEmbedded

@testable import GRPCEdge

/// A client's connection through the real handler and libnghttp2.
///
/// Input: options, the size of the pieces in which the rest arrives (0: in one), and the rest. A
/// right preface is put in front unless the options say otherwise.
enum HTTP2Connection {
    private static let noPreface: UInt8 = 1
    /// The client does not read until all has arrived.
    private static let readsLate: UInt8 = 2
    /// Calls are answered from outside, in the middle of the input.
    private static let answersLate: UInt8 = 4
    /// The server drains at the end.
    private static let drains: UInt8 = 8

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, 0, 0, [])

    /// After the end every call has ended, and every byte that was reserved is free again.
    static func run(_ input: [UInt8]) throws(FuzzFinding) {
        var reader = InputReader(input)
        let options = reader.byte()
        let size = Int(reader.byte())
        let rest = reader.remaining()
        let bytes = options & noPreface == 0 ? preface + rest : rest
        let harness = HTTP2Harness()
        harness.channel.isWritable = options & readsLate == 0
        var offset = 0
        while offset < bytes.count, harness.channel.isActive {
            let end = size == 0 ? bytes.count : min(offset + size, bytes.count)
            harness.receive(bytes[offset..<end])
            offset = end
            if options & answersLate != 0 { harness.answerHeld() }
        }
        harness.channel.isWritable = true
        harness.channel.pipeline.fireChannelWritabilityChanged()
        harness.answerHeld()
        harness.end(drains: options & drains != 0)
        if let finding = harness.finding { throw FuzzFinding(finding) }
    }

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8])
        -> [UInt8]
    {
        bigEndianBytes(UInt32(payload.count)).dropFirst() + [type, flags] + bigEndianBytes(stream)
            + payload
    }

    private static func field(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
    }

    private static func open(_ path: String, _ stream: UInt32, _ flags: UInt8 = 4) -> [UInt8] {
        let fields =
            field(":method", "POST") + field(":scheme", "http") + field(":path", path)
            + field(":authority", "t") + field("content-type", "application/grpc")
            + field("te", "trailers") + field("grpc-timeout", "5S")
        return frame(1, flags, stream, fields)
    }

    private static func data(_ stream: UInt32, _ text: String, _ flags: UInt8 = 1) -> [UInt8] {
        frame(0, flags, stream, [0] + bigEndianBytes(UInt32(text.utf8.count)) + text.utf8)
    }

    static var seeds: [[UInt8]] {
        let calls =
            open("/t/Echo", 1) + data(1, "hello") + open("/t/Hold", 3) + data(3, "x")
            + open("/t/Chat", 5) + data(5, "a", 0) + data(5, "b")
        let sessions: [[UInt8]] = [
            open("/t/Echo", 1) + data(1, "hello"), open("/t/Flood", 1) + data(1, ""), calls,
            open("/t/None", 1) + data(1, ""), open("/t/Echo", 1, 5),
            calls + frame(3, 0, 3, [0, 0, 0, 8]) + frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
            frame(1, 0, 1, field(":method", "POST")) + frame(9, 4, 1, field(":path", "/t/Echo")),
            frame(4, 0, 0, [0, 4, 0, 0, 0, 0]) + calls + frame(8, 0, 1, [0, 0, 1, 0]),
            calls + frame(7, 0, 0, [0, 0, 0, 1, 0, 0, 0, 0]),
            frame(2, 0, 1, [0, 0, 0, 0, 16]) + frame(10, 0, 0, [0, 1, 65]) + calls,
        ]
        return sessions.map { [0, 0] + $0 }
            + [[6, 0] + calls, [4, 7] + calls, [8, 0] + calls, [1, 0] + preface + calls]
            + [[1, 0] + Array("GET / HTTP/1.1\r\n\r\n".utf8), [1, 0, 22, 3, 1, 2, 0]]
    }
}

/// One connection, and methods that answer in each way there is.
private final class HTTP2Harness {
    let channel: EmbeddedChannel
    private let shared: EdgeShared
    private let shard: ConnectionShard
    private let service = Service()
    private var client: ClientAddress?
    private(set) var finding: String?

    /// Confined to the one thread of the harness.
    private final class Service: @unchecked Sendable {
        var opened = 0
        var ended = 0
        var held: [Call] = []

        func open(_ call: Call) {
            opened += 1
            call.onCancel = { self.ended += 1 }
        }

        func finish(_ call: Call, _ message: [UInt8] = []) {
            guard call.isOpen else { return }
            ended += 1
            call.reply(FramedMessage(prefixing: message))
        }
    }

    init() {
        var settings = EdgeSettings()
        settings.maximumRequestBytes = 1 << 16
        settings.maximumBufferedRequestBytes = 1 << 20
        settings.maximumBufferedBytesPerCall = 1 << 14
        settings.maximumConcurrentStreams = 64
        settings.maximumIdleFrames = 200
        let loop = EmbeddedEventLoop()
        shared = EdgeShared(
            methods: Self.methods(service), settings: settings, events: EventGate { _ in })
        shard = ConnectionShard(loop: loop, shared: shared)
        channel = EmbeddedChannel(handler: nil, loop: loop)
        do {
            let client = try shared.admitConnection(from: nil)
            let connection = Connection(shared: shared, shard: shard, client: client)
            self.client = client
            try channel.pipeline.syncOperations.addHandler(connection)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        } catch {
            finding = "the harness does not start: \(error)"
        }
    }

    private static func methods(_ service: Service) -> [Method] {
        [
            Method("/t/Echo", kind: .unary) { call, message in
                service.open(call)
                service.finish(call, Array(message))
            },
            Method("/t/Hold", kind: .unary) { call, _ in
                service.open(call)
                service.held.append(call)
            },
            Method("/t/Flood", kind: .serverStreaming) { call, _ in
                service.open(call)
                for _ in 0..<40 {
                    call.send(FramedMessage(prefixing: .init(repeating: 7, count: 999)))
                }
                service.held.append(call)
            },
            Method("/t/Chat", kind: .bidirectional) { call, _ in
                service.open(call)
                call.onMessage = { call.send(FramedMessage(prefixing: Array($0.prefix(64)))) }
                call.onHalfClose = { service.finish(call) }
            },
        ]
    }

    func receive(_ bytes: ArraySlice<UInt8>) {
        // An error here is a closed channel, which the caller sees.
        _ = try? channel.writeInbound(ByteBuffer(bytes: bytes))
        discardOutput()
    }

    func answerHeld() {
        let calls = service.held
        service.held = []
        for call in calls { service.finish(call, [1]) }
        channel.embeddedEventLoop.run()
        discardOutput()
    }

    private func discardOutput() {
        while let bytes = try? channel.readOutbound(as: ByteBuffer.self) { _ = bytes }
    }

    func end(drains: Bool) {
        let loop = channel.embeddedEventLoop
        if drains { _ = shard.drain(timeout: .seconds(1)) }
        loop.advanceTime(by: .seconds(40))
        discardOutput()
        if channel.isActive { channel.close(promise: nil) }
        loop.run()
        _ = try? channel.finish(acceptAlreadyClosed: true)
        FuzzWork.countRequests(service.opened)
        if service.opened != service.ended {
            finding = "\(service.opened) calls were opened, \(service.ended) ended"
        }
        if shared.openConnections != 0 { finding = "the closed connection is still counted" }
        if let client, !shared.reserveRequestBytes(1 << 20, for: client) {
            finding = "reserved bytes were not given back"
        }
    }
}
