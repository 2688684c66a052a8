import BinaryCoding
import NIOCore
import RaftCore

/// A connection that a peer opened: after its handshake, frames come in and pongs go out.
final class InboundConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case awaitingHello
        case awaitingConfirm(Hello, nonce: UInt64)
        case established(PeerTransport.InboundKey)
        case closed
    }

    /// The other side's IP address, or what there is in its place.
    private(set) var address = "unknown"

    private let transport: PeerTransport
    private var phase = Phase.awaitingHello
    private var peer: PeerTransport.InboundKey?
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?
    private var assembler = FrameAssembler(limit: WireLimits.handshakeFrameBytes)
    private var receiveSeal = FrameSeal.unbound
    private var sendSeal = FrameSeal.unbound
    private var hasDelivered = false
    private var unansweredPing: UInt64?
    private var silentTicks = 0
    private var silentTicksAllowed = Int.max

    init(of transport: PeerTransport) { self.transport = transport }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        address = context.remoteAddress?.ipAddress ?? address
        let timeout = transport.configuration.handshakeTimeoutMilliseconds
        deadline = context.eventLoop.assumeIsolated().scheduleTask(
            in: .bounded(milliseconds: timeout)
        ) { [self] in
            fail("\(address) did not finish its handshake in \(timeout) ms")
        }
        transport.admit(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        phase = .closed
        transport.closed(self, peer: peer)
        endBatch()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        silentTicks = 0
        assembler.append(unwrapInboundIn(data))
        do throws(DecodingFailure) {
            while try readFrame() {}
        } catch {
            fail(peer.map { "server \($0.server): \(error)" } ?? "\(address): \(error)")
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        answerPing()
        endBatch()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A socket's error: its end is reported by `channelInactive`.
        close()
    }

    /// Counts a look without a sign of life. Pings come every tick, so silence is death (N8).
    func tick() {
        silentTicks += 1
        if silentTicks >= silentTicksAllowed { close() }
    }

    /// Closes the connection, if it is open.
    ///
    /// - Returns: The end of it, or nothing if it has ended.
    @discardableResult
    func close() -> [EventLoopFuture<Void>] {
        phase = .closed
        deadline?.cancel()
        guard let context else { return [] }
        context.close(promise: nil)
        return [context.channel.closeFuture]
    }
}

// MARK: - Frames

extension InboundConnection {
    private enum Received {
        case ping(UInt64)
        case frame(PeerFrame)
    }

    /// Takes one frame. False when no whole frame is left, or the connection has been closed.
    private func readFrame() throws(DecodingFailure) -> Bool {
        switch phase {
        case .awaitingHello: readHello()
        case .awaitingConfirm(let hello, let nonce): try readConfirm(of: hello, nonce: nonce)
        case .established(let peer): try readFrame(of: peer)
        case .closed: false
        }
    }

    private func readHello() -> Bool {
        let hello: Hello?
        do throws(DecodingFailure) {
            hello = try assembler.next(seal: &receiveSeal) {
                type, reader throws(DecodingFailure) in
                guard type == .hello else { throw unexpected(type, "before the Hello") }
                return try Hello.decode(from: &reader)
            }
        } catch {
            // Reported before the other side can know: its write may close the connection at once.
            transport.reportViolation("\(address): \(error)", about: nil)
            refuse(HandshakeRefusal(code: .notAHello, text: "\(error)"))
            return false
        }
        guard let hello else { return false }
        switch transport.rules.judge(hello) {
        case .success(let version):
            welcome(hello, version)
        case .failure(let refusal):
            transport.reportRefusal("refused \(address): \(refusal.text)", about: hello.sender)
            refuse(refusal)
        }
        return true
    }

    private func readConfirm(of hello: Hello, nonce: UInt64) throws(DecodingFailure) -> Bool {
        let echo = try assembler.next(seal: &receiveSeal) {
            type, reader throws(DecodingFailure) in
            guard type == .confirm else { throw unexpected(type, "before the Confirm") }
            return try reader.read(UInt64.self, "confirm.nonce")
        }
        guard let echo else { return false }
        guard echo == nonce else {
            throw .invalid(field: "confirm.nonce", reason: "it is of another connection")
        }
        let peer = PeerTransport.InboundKey(server: hello.sender, kind: hello.kind)
        self.peer = peer
        phase = .established(peer)
        deadline?.cancel()
        silentTicksAllowed = transport.configuration.silentTicks(
            for: hello.kind, dialledWith: hello.linkTimeoutMilliseconds)
        assembler.limit = transport.configuration.maximumFrameBytes
        transport.established(self, server: peer.server, kind: peer.kind)
        return true
    }

    private func readFrame(of peer: PeerTransport.InboundKey) throws(DecodingFailure) -> Bool {
        let received = try assembler.next(seal: &receiveSeal) {
            type, reader throws(DecodingFailure) -> Received in
            if type == .ping { return .ping(try reader.read(UInt64.self, "ping.number")) }
            guard let frame = try PeerFrame.decode(type, from: &reader) else {
                throw unexpected(type, "on an established connection")
            }
            guard type.connectionKind == peer.kind else {
                throw unexpected(type, "on a \(peer.kind) connection")
            }
            return .frame(frame)
        }
        switch received {
        case .ping(let number):
            unansweredPing = number
        case .frame(let frame):
            if let sender = frame.sender, sender != peer.server {
                throw .invalid(field: "message.from", reason: "it says server \(sender)")
            }
            hasDelivered = true
            transport.emit(.received(frame, from: peer.server))
        case nil:
            return false
        }
        return true
    }

    private func unexpected(_ type: FrameType, _ circumstance: String) -> DecodingFailure {
        .invalid(field: "type", reason: "\(type) \(circumstance)")
    }
}

// MARK: - Answers

extension InboundConnection {
    private func welcome(_ hello: Hello, _ version: UInt16) {
        let nonce = UInt64.random(in: .min ... .max)
        phase = .awaitingConfirm(hello, nonce: nonce)
        receiveSeal = FrameSeal(
            diallerNonce: hello.nonce, listenerNonce: nonce, direction: .fromDialler)
        sendSeal = FrameSeal(
            diallerNonce: hello.nonce, listenerNonce: nonce, direction: .fromListener)
        var bytes = ByteBuffer()
        Welcome(
            protocolVersion: version, sender: transport.rules.serverID,
            echoedNonce: hello.nonce, nonce: nonce
        ).write(to: &bytes)
        context?.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    private func refuse(_ refusal: HandshakeRefusal) {
        phase = .closed
        guard let context else { return }
        var bytes = ByteBuffer()
        refusal.write(to: &bytes)
        let written = context.writeAndFlush(wrapOutboundOut(bytes))
        written.assumeIsolated().whenComplete { [self] _ in close() }
    }

    /// One pong for the newest ping; none to a peer that does not read them.
    private func answerPing() {
        guard let number = unansweredPing, let context, context.channel.isWritable else { return }
        unansweredPing = nil
        var bytes = ByteBuffer()
        _ = bytes.writeFrame(.pong, seal: &sendSeal) { $0.writeInteger(number) }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    private func endBatch() {
        guard hasDelivered else { return }
        hasDelivered = false
        transport.emit(.batchEnded)
    }

    private func fail(_ reason: String) {
        transport.reportViolation(reason, about: peer?.server)
        close()
    }
}

extension FrameType {
    /// The kind of connection that carries frames of this type.
    var connectionKind: ConnectionKind {
        switch self {
        case .installSnapshot: .snapshot
        case .hello, .welcome, .refusal, .confirm, .ping, .pong, .requestVote, .requestVoteReply,
            .appendEntries, .appendEntriesReply, .installSnapshotReply, .timeoutNow, .proposals,
            .proposalsRefused, .readIndexRequest, .readIndexReply, .stateDigest:
            .main
        }
    }
}

extension PeerFrame {
    /// The sender that the frame itself names; it must be the connection's peer (N15).
    var sender: ServerID? {
        switch self {
        case .raft(let message): message.from
        case .proposals, .proposalsRefused, .readIndexRequest, .readIndexReply, .stateDigest: nil
        }
    }
}
