package import NIOCore

/// One call, as a service sees it: what it may send, and what it is told.
///
/// Everything here is confined to `loop`; a reply from elsewhere hops first, and a batch of replies
/// should hop in one `execute`: their bytes then leave in one write.
package final class Call: @unchecked Sendable {
    /// The only loop on which this call may be touched.
    package let loop: any EventLoop

    /// When the client gives up, from grpc-timeout. The edge enforces it: at the deadline the call
    /// is answered DEADLINE_EXCEEDED and `onCancel` fires.
    package let deadline: NIODeadline?

    /// Fires at most once, and never after `finish`: the client reset the call or its connection
    /// was lost, the deadline passed, the reader fell too far behind, or a drain was cut off.
    package var onCancel: (() -> Void)?

    /// A message of a bidirectional call, one at a time and in order; the bytes are valid only
    /// until it returns. Messages wait while the call is held (`hold`) and while the client leaves
    /// more than 64 KiB of answers unread; the client then gets no more flow-control credit.
    package var onMessage: ((UnsafeRawBufferPointer) -> Void)?

    /// The client of a bidirectional call will send no more messages; all of them were delivered.
    package var onHalfClose: (() -> Void)?

    /// Fires when `bufferedBytes` falls under half of the limit after having been over it.
    package var onWritable: (() -> Void)?

    /// Fires when HTTP/2 has taken everything that was queued: what a conflating sender waits for.
    package var onDrained: (() -> Void)?

    /// False once the call is finished or cancelled.
    package internal(set) var isOpen = true

    /// Bytes queued by `send` and not yet taken by HTTP/2.
    package internal(set) var bufferedBytes = 0

    let streamID: Int32
    let method: Method
    /// Nil once the HTTP/2 stream is closed.
    var connection: Connection?

    // The call's place in its method's meter, see MethodMeter.swift; nil once it is counted out.
    var methodIndex: Int?
    var began = NIODeadline.uptimeNanoseconds(0)

    // The request, see Call+Request.swift.
    var reader = MessageReader()
    /// Bytes of the request that still lie in the connection's read buffer.
    var borrowed: UnsafeRawBufferPointer?
    /// Bytes in `reader` that are taken from the server's budget.
    var reservedBytes = 0
    var isHalfClosed = false
    /// The connection's sweep during which the call opened.
    var openedInSweep = 0

    // The request of a bidirectional call, see Call+Messages.swift.
    /// Set by `hold`.
    var isHeld = false
    /// Messages wait because the client has not read enough of the answers.
    var awaitsReader = false
    /// `onMessage` is running.
    var isDelivering = false
    /// Bytes of the body for which the client has not been given new credit.
    var uncreditedBytes = 0
    /// The connection's sweep during which an incomplete message began.
    var partialSinceSweep: Int?

    // The answer, see Call+Answer.swift.
    /// The message being sent, and how much of it is already sent.
    var current: [UInt8] = []
    var currentOffset = 0
    /// The messages behind `current`, from `waitingHead` on.
    var waiting: [[UInt8]] = []
    var waitingHead = 0
    var isAnswered = false
    var isDeferred = false
    var wasOverHalf = false
    /// Set by `finish`.
    var ending = Ending.none
    var expiry: NIOScheduledCallback?

    // The connection's list of streams; HTTP/2 holds the one strong reference for it.
    unowned(unsafe) var next: Call?
    unowned(unsafe) var previous: Call?

    /// How the answer ends.
    enum Ending {
        case none
        case ok
        case trailers(HeaderBlock)
    }

    init(streamID: Int32, method: Method, deadline: NIODeadline?, connection: Connection) {
        self.streamID = streamID
        self.method = method
        self.deadline = deadline
        self.connection = connection
        loop = connection.loop
        openedInSweep = connection.liveness.sweeps
    }

    /// Queues a message. Does nothing when the call is not open.
    ///
    /// A call whose client does not read is cancelled (RST_STREAM, ENHANCE_YOUR_CALM) once more
    /// than the settings allow is queued; watch `bufferedBytes` to end it with a status before.
    package func send(_ message: FramedMessage) {
        guard isOpen, let connection else { return }
        let count = message.bytes.count
        guard connection.allowsQueueing(count, behind: bufferedBytes) else {
            connection.dropSlowReader(self)
            return
        }
        enqueue(message.bytes, limit: connection.settings.maximumBufferedBytesPerCall)
        connection.queuedBytes &+= count
        wake(connection)
    }

    /// Ends the call; the status given first wins. Does nothing when the call is not open.
    ///
    /// Trailer names are ASCII; values may be any Unicode and are percent-encoded where needed.
    package func finish(
        _ status: GRPCStatus = .ok, trailers: [(name: String, value: String)] = []
    ) {
        guard isOpen, let connection else { return }
        settle(status, trailers, connection)
        forgetCallbacks()
    }

    /// Sends one message and ends the call with OK.
    package func reply(
        _ message: FramedMessage, trailers: [(name: String, value: String)] = []
    ) {
        send(message)
        finish(.ok, trailers: trailers)
    }
}

extension Call: NIOScheduledCallbackHandler {
    /// The deadline has passed.
    package func handleScheduledCallback(eventLoop: some EventLoop) {
        expiry = nil
        interrupt(with: GRPCStatus(.deadlineExceeded, "the call's deadline has passed"))
    }
}

// MARK: - The ways to end

extension Call {
    /// Answers with a status of the edge's own and tells the service that its call is gone.
    func interrupt(
        with status: GRPCStatus, trailers: [(name: String, value: String)] = []
    ) {
        guard isOpen, let connection else { return }
        let cancelled = onCancel
        settle(status, trailers, connection)
        forgetCallbacks()
        cancelled?()
    }

    /// The stream is closed or about to be: nothing more can be sent.
    func cancel() {
        guard isOpen else { return }
        isOpen = false
        noteEnded(connection, .cancelled)
        let cancelled = onCancel
        discardQueue()
        dropRequest()
        forgetCallbacks()
        cancelled?()
    }

    /// HTTP/2 has let go of the stream.
    func streamClosed() {
        cancel()
        discardQueue()
        dropRequest()
        connection = nil
    }

    private func settle(
        _ status: GRPCStatus, _ trailers: [(name: String, value: String)], _ connection: Connection
    ) {
        isOpen = false
        noteEnded(connection, status.code)
        dropRequest()
        if status.code == .ok, status.message.isEmpty, trailers.isEmpty {
            ending = .ok
        } else {
            var block = HeaderBlock()
            block.append(status, trailers)
            ending = .trailers(block)
        }
        wake(connection)
    }

    private func forgetCallbacks() {
        expiry?.cancel()
        expiry = nil
        onCancel = nil
        onMessage = nil
        onHalfClose = nil
        onWritable = nil
        onDrained = nil
    }

    /// Has the deadline enforced from now on.
    func armDeadline() {
        guard isOpen, expiry == nil, let deadline else { return }
        // Fails only when the loop is shutting down, and then the connection ends anyway.
        expiry = try? loop.scheduleCallback(at: deadline, handler: self)
    }
}
