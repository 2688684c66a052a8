import BinaryCoding
import NIOCore
import RaftCore

/// One connection that we opened: frames go out in batches, only pongs come back.
final class OutboundConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case connecting
        case awaitingWelcome
        case established
        case closed
    }

    private let link: OutboundLink
    private let nonce = UInt64.random(in: .min ... .max)
    private let batchLimit: Int
    private var phase = Phase.connecting
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?
    private var assembler = FrameAssembler(limit: WireLimits.handshakeFrameBytes)
    private var receiveSeal = FrameSeal.unbound
    private var sendSeal = FrameSeal.unbound
    /// The batch that is being gathered.
    private var batch = ByteBuffer()
    private var isWritable = true
    private var isFlushing = false
    /// The newest heartbeat that found no room.
    private var heartbeat: PeerFrame?
    private var lastPing: UInt64 = 0
    private var lastPong: UInt64 = 0
    private var silentTicks = 0
    private var idleTicks = 0

    init(of link: OutboundLink) {
        self.link = link
        batchLimit = link.transport.configuration.maximumQueuedBytesPerPeer / 2
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { sayHello(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) { sayHello(context) }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        phase = .closed
        link.closed(self)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        assembler.append(unwrapInboundIn(data))
        do throws(DecodingFailure) {
            while try readFrame() {}
        } catch {
            fail("server \(link.peer.id) answered with nonsense: \(error)")
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable, !isFlushing { sendHeartbeat() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A socket's error: its end is reported by `channelInactive`.
        close()
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

// MARK: - Sending

extension OutboundConnection {
    /// Adds a frame to the batch, or drops it when the peer does not read; then the newest
    /// heartbeat is kept, which is all that a recovering follower needs (N9).
    func send(_ frame: PeerFrame) -> Bool {
        guard phase == .established else { return false }
        idleTicks = 0
        guard isWritable, batch.readableBytes < batchLimit else {
            guard frame.isHeartbeat else { return false }
            heartbeat = frame
            return true
        }
        return encode(frame)
    }

    /// Hands the batch to the socket in one write.
    func flush() {
        guard phase == .established, batch.readableBytes > 0, let context else { return }
        // The write may change the writability, whose handler must not touch the batch.
        isFlushing = true
        context.writeAndFlush(wrapOutboundOut(batch), promise: nil)
        isFlushing = false
        // Most writes are done by now; then the batch's memory is ours alone again and is reused.
        if batch.capacity > 1 << 20 { batch = ByteBuffer() } else { batch.clear() }
        if isWritable { sendHeartbeat() }
    }

    /// Asks for a sign of life at once.
    func ping() {
        guard phase == .established, isWritable else { return }
        lastPing &+= 1
        _ = batch.writeFrame(.ping, seal: &sendSeal) { $0.writeInteger(lastPing) }
        flush()
    }

    /// One look at the link, four of which make a link timeout.
    func tick() {
        guard phase == .established else { return }
        silentTicks += 1
        idleTicks += 1
        let configuration = link.transport.configuration
        if silentTicks >= configuration.silentTicks(for: link.kind) {
            close()
        } else if link.kind == .snapshot, idleTicks >= configuration.idleTicks {
            close()
        } else {
            ping()
        }
    }

    private func encode(_ frame: PeerFrame) -> Bool {
        let isFirst = batch.readableBytes == 0
        let limit = link.transport.configuration.maximumFrameBytes
        guard batch.write(frame, seal: &sendSeal, limit: limit) != nil else { return false }
        if isFirst { link.transport.hasUnflushed(self) }
        return true
    }

    private func sendHeartbeat() {
        guard let frame = heartbeat else { return }
        heartbeat = nil
        if encode(frame) { flush() }
    }
}

// MARK: - Handshake and pongs

extension OutboundConnection {
    private func sayHello(_ context: ChannelHandlerContext) {
        guard phase == .connecting else { return }
        phase = .awaitingWelcome
        let timeout = link.transport.configuration.handshakeTimeoutMilliseconds
        deadline = context.eventLoop.assumeIsolated().scheduleTask(
            in: .bounded(milliseconds: timeout)
        ) { [self] in
            close()
        }
        var bytes = ByteBuffer()
        link.transport.rules.hello(to: link.peer.id, kind: link.kind, nonce: nonce)
            .write(to: &bytes)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    /// Takes one frame. False when no whole frame is left, or the connection has been closed.
    private func readFrame() throws(DecodingFailure) -> Bool {
        switch phase {
        case .awaitingWelcome: try readWelcome()
        case .established: try readPong()
        case .connecting, .closed: false
        }
    }

    private func readWelcome() throws(DecodingFailure) -> Bool {
        let answer = try assembler.next(seal: &receiveSeal) {
            type, reader throws(DecodingFailure) -> Result<Welcome, HandshakeRefusal> in
            switch type {
            case .welcome: .success(try Welcome.decode(from: &reader))
            case .refusal: .failure(try HandshakeRefusal.decode(from: &reader))
            case .hello, .confirm, .ping, .pong, .requestVote, .requestVoteReply, .appendEntries,
                .appendEntriesReply, .installSnapshot, .installSnapshotReply, .timeoutNow,
                .proposals, .proposalsRefused, .readIndexRequest, .readIndexReply, .stateDigest:
                throw .invalid(field: "type", reason: "\(type) instead of a Welcome")
            }
        }
        switch answer {
        case .success(let welcome):
            let objection = link.transport.rules.objection(
                to: welcome, from: link.peer.id, nonce: nonce)
            if let objection { refused(objection) } else { establish(welcome) }
        case .failure(let refusal):
            refused("server \(link.peer.id) refused us: \(refusal.text)")
        case nil:
            return false
        }
        return true
    }

    private func readPong() throws(DecodingFailure) -> Bool {
        let number = try assembler.next(seal: &receiveSeal) {
            type, reader throws(DecodingFailure) -> UInt64 in
            guard type == .pong else {
                throw .invalid(field: "type", reason: "\(type) instead of a pong")
            }
            return try reader.read(UInt64.self, "pong.number")
        }
        guard let number else { return false }
        guard number > lastPong, number <= lastPing else {
            throw .invalid(field: "pong.number", reason: "\(number) was not asked for")
        }
        lastPong = number
        silentTicks = 0
        return true
    }

    private func establish(_ welcome: Welcome) {
        deadline?.cancel()
        phase = .established
        sendSeal = FrameSeal(
            diallerNonce: nonce, listenerNonce: welcome.nonce, direction: .fromDialler)
        receiveSeal = FrameSeal(
            diallerNonce: nonce, listenerNonce: welcome.nonce, direction: .fromListener)
        _ = batch.writeFrame(.confirm, seal: &sendSeal) { $0.writeInteger(welcome.nonce) }
        flush()
        link.established(self)
    }

    private func refused(_ reason: String) {
        close()
        link.refused(reason)
    }

    private func fail(_ reason: String) {
        link.transport.reportViolation(reason, about: link.peer.id)
        close()
    }
}

extension PeerFrame {
    /// An AppendEntries without entries (§5.2).
    var isHeartbeat: Bool {
        switch self {
        case .raft(let message):
            switch message.body {
            case .appendEntries(let request): request.entries.isEmpty
            case .requestVote, .requestVoteReply, .appendEntriesReply, .installSnapshot,
                .installSnapshotReply, .timeoutNow:
                false
            }
        case .proposals, .proposalsRefused, .readIndexRequest, .readIndexReply, .stateDigest:
            false
        }
    }
}
