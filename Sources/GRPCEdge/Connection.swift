import NIOCore
import NIOSSL

/// One client's connection: the handler between the socket and its HTTP/2 session.
///
/// Confined to its loop. All that is to be sent in one turn of the loop leaves in one write: during
/// a burst of reads when the burst ends, otherwise in one task behind those already queued.
final class Connection: @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    let loop: any EventLoop
    let shared: EdgeShared
    let settings: EdgeSettings
    let shard: ConnectionShard
    /// The address under which the connection is counted.
    let client: ClientAddress

    private(set) var session: HTTP2Session?
    private var context: ChannelHandlerContext?
    private var greeting = Greeting()
    private(set) var address = "an unknown address"

    /// Bytes that the calls have queued and HTTP/2 has not taken.
    var queuedBytes = 0
    /// Bytes of answers that HTTP/2 has taken: the client had room for them.
    var takenBytes = 0
    /// The call whose request lies, uncopied, in the buffer that is being read.
    unowned(unsafe) var borrower: Call?
    // The streams, see Connection+Streams.swift.
    var head = RequestHead()
    /// The stream of the header block that began last.
    var headStreamID: Int32 = 0
    unowned(unsafe) var firstCall: Call?
    var newDeadlines: [Call] = []
    var writableCalls: [Call] = []

    // Life and death, see Connection+Lifetime.swift.
    var liveness: Liveness
    var readerPace = ReaderPace()
    var idleFrames: Int
    /// How many more streams the client may reset, or make us reset, before it gets some back.
    var resets: Int
    var isDraining = false
    var isClosing = false
    private var isReported = false

    // Writing.
    private var output = ByteBuffer()
    private var isReading = false
    private var isFlushing = false
    private var isFlushScheduled = false
    private var isReadHeldBack = false

    /// The most that one write to the socket carries.
    private static let writeBytes = 64 << 10

    init(shared: EdgeShared, shard: ConnectionShard, client: ClientAddress) {
        self.client = client
        self.shared = shared
        self.shard = shard
        settings = shared.settings
        loop = shard.loop
        idleFrames = settings.maximumIdleFrames
        resets = settings.maximumResets
        liveness = Liveness(settings)
    }

    /// Whether a call may queue that much more.
    func allowsQueueing(_ count: Int, behind queued: Int) -> Bool {
        if queued > 0, queued &+ count > settings.maximumBufferedBytesPerCall { return false }
        return queuedBytes == 0
            || queuedBytes &+ count <= settings.maximumBufferedBytesPerConnection
    }

    /// Resets a call whose client does not read what is queued.
    func dropSlowReader(_ call: Call) {
        session?.resetSlowReader(call.streamID)
        call.cancel()
        call.discardQueue()
        setNeedsFlush()
    }

    /// Remembers a call that is to be told once the frame is made.
    func becameWritable(_ call: Call) {
        writableCalls.append(call)
    }
}

// MARK: - The channel

extension Connection: ChannelInboundHandler, ChannelOutboundHandler {
    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        address = context.remoteAddress.map { "\($0)" } ?? address
        shard.insert(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        tearDown()
    }

    func channelInactive(context: ChannelHandlerContext) {
        tearDown()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset by the peer is how clients leave, with or without TLS's farewell.
        let isFarewell = error is IOError || error is ChannelError || Self.isUnclean(error)
        if !isFarewell {
            shared.events.report(.connectionFailed(reason: "\(error)", address: address))
        }
        close()
    }

    private static func isUnclean(_ error: any Error) -> Bool {
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return true }
        return false
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        guard !isClosing else { return }
        let buffer = unwrapInboundIn(data)
        if session == nil {
            greet(buffer)
        } else {
            buffer.withUnsafeReadableBytes { receive($0) }
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flushNow()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        flushNow()
        guard isReadHeldBack, context.channel.isWritable else { return }
        isReadHeldBack = false
        context.read()
    }

    /// A peer that sends and does not read must not make the session grow: no reading while the
    /// socket takes nothing.
    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable {
            context.read()
        } else {
            isReadHeldBack = true
        }
    }

    private func greet(_ buffer: ByteBuffer) {
        greeting.bytes.append(contentsOf: buffer.readableBytesView)
        switch greeting.verdict {
        case .undecided:
            break
        case .http2:
            session = HTTP2Session(connection: self)
            guard session != nil else { return close() }
            let bytes = greeting.bytes
            greeting.bytes = []
            bytes.withUnsafeBytes { receive($0) }
        case .http1:
            context?.write(wrapOutboundOut(ByteBuffer(string: Greeting.refusal)), promise: nil)
            report("HTTP/1 instead of HTTP/2")
            closeAfterWrites()
        case .foreign:
            report("no HTTP/2 preface")
            close()
        }
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        guard let session else { return }
        let failure = session.receive(bytes)
        borrower?.keepBorrowed()
        if !newDeadlines.isEmpty {
            for call in newDeadlines { call.armDeadline() }
            newDeadlines.removeAll(keepingCapacity: true)
        }
        guard let failure else { return }
        report(failure)
        // Against some floods the session only fails; this does nothing if it has said GOAWAY.
        session.terminate()
        flushNow(evenWhileReading: true)
        close()
    }
}

// MARK: - Writing

extension Connection {
    private enum WriteResult {
        /// The session has no more to send.
        case drained
        /// The socket takes no more for now.
        case blocked
        case broken
    }

    /// Something is to be sent in this turn of the loop.
    func setNeedsFlush() {
        guard !isReading, !isFlushing, !isFlushScheduled else { return }
        isFlushScheduled = true
        loop.execute {
            self.isFlushScheduled = false
            self.flushNow()
        }
    }

    func flushNow(evenWhileReading: Bool = false) {
        guard let session, let context, !isFlushing, !isClosing else { return }
        guard evenWhileReading || !isReading else { return }
        isFlushing = true
        defer { isFlushing = false }
        repeat {
            let result = writeAll(session, context)
            // The socket may have failed while it was flushed: then the calls, to which the
            // session still points, are gone.
            guard self.session === session else { return }
            switch result {
            case .broken: return close()
            case .drained where writableCalls.isEmpty: break
            case .blocked where !context.channel.isWritable && writableCalls.isEmpty: return
            case .drained, .blocked:
                tellWritable()
                continue
            }
            break
        } while true
        if session.isDone { closeAfterWrites() }
    }

    /// Moves frames to the socket while it takes them.
    private func writeAll(_ session: HTTP2Session, _ context: ChannelHandlerContext) -> WriteResult
    {
        var result = WriteResult.blocked
        while result == .blocked, context.channel.isWritable {
            output.clear()
            while output.readableBytes < Self.writeBytes {
                guard let frame = session.nextFrame() else { return .broken }
                if frame.isEmpty {
                    result = .drained
                    break
                }
                output.writeBytes(frame)
            }
            if output.readableBytes > 0 { context.write(wrapOutboundOut(output), promise: nil) }
        }
        context.flush()
        return result
    }

    /// Outside of HTTP/2's callbacks, so that services may send at once.
    private func tellWritable() {
        let calls = writableCalls
        writableCalls.removeAll()
        for call in calls where call.isOpen { call.readerCaughtUp(self) }
    }

    /// Closes at once.
    func close() {
        isClosing = true
        context?.close(promise: nil)
    }

    /// Closes once the socket has taken what was written; the sweep closes if that never happens.
    func closeAfterWrites() {
        guard !isClosing, let context else { return }
        isClosing = true
        liveness.beginClosing()
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    /// Tells an operator why this connection ends; the first reason counts.
    func report(_ reason: String) {
        guard !isReported else { return }
        isReported = true
        shared.events.report(.hostilePeer(reason: reason, address: address))
    }

    func reportSilence() {
        guard !isReported else { return }
        isReported = true
        shared.events.report(.silentPeer(address: address))
    }

    /// The connection is gone: everybody who waits on one of its calls is told.
    func tearDown() {
        guard context != nil else { return }
        isClosing = true
        cancelAllCalls()
        session = nil
        context = nil
        shared.releaseConnection(from: client)
        shard.remove(self)
    }
}
