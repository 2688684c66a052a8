// The way in of a bidirectional call: whole messages go to the service one by one, and a client
// that sends faster than it reads, or than the service can follow, runs out of flow-control credit.

extension Call {
    /// Bytes of answers that a client may leave unread before its next messages wait.
    static let unreadAnswerBytes = 64 << 10

    /// Lets the client's further messages wait, until `release`. May be called within `onMessage`.
    package func hold() {
        isHeld = true
    }

    /// Goes on with the messages that wait. Does nothing when the call is not held.
    package func release() {
        guard isHeld else { return }
        isHeld = false
        goOn()
    }

    /// A part of the body.
    func receiveMessages(_ chunk: UnsafeRawBufferPointer, _ connection: Connection) {
        connection.earnIdleFrames()
        uncreditedBytes &+= chunk.count
        if reader.isEmpty {
            let rest = deliverMessages(in: chunk, connection)
            keep(rest, connection)
        } else {
            keep(chunk, connection)
            deliverKept(connection)
        }
        settleCredit(connection)
    }

    /// The client has sent all it will send.
    func endMessages() {
        guard isOpen, isHalfClosed, !isDelivering, !isWaiting else { return }
        guard reader.isEmpty else {
            refuse(GRPCStatusFailure(.internalError, "the request ends inside a message"))
            return
        }
        onHalfClose?()
    }

    /// Delivers what waits, as far as it may be delivered now.
    func goOn() {
        guard isOpen, !isDelivering, let connection, method.kind == .bidirectional else { return }
        awaitsReader = false
        deliverKept(connection)
        settleCredit(connection)
        endMessages()
        connection.setNeedsFlush()
    }

    /// Whether whole messages may lie in `reader`.
    private var isWaiting: Bool { (isHeld || awaitsReader) && !reader.isEmpty }

    private func deliverKept(_ connection: Connection) {
        guard isOpen, !isHeld else { return }
        // Looked at here too: what cannot be handed on is not to be moved with every frame.
        awaitsReader = bufferedBytes > Self.unreadAnswerBytes
        guard !awaitsReader, hasWholeMessage(connection) else { return }
        // Taken out first: the service may do anything with the call while it has a message.
        var taken = reader.take()
        let rest = taken.withKept { deliverMessages(in: $0, connection).count }
        guard isOpen else { return }
        let freed = taken.drop(allBut: rest)
        reader = taken
        releaseBudget(connection, freed)
    }

    /// Whether the kept bytes start with a whole message, or a bad one, so that it is worth
    /// copying what follows: a large message in small frames is then copied once, not each time.
    private func hasWholeMessage(_ connection: Connection) -> Bool {
        let limit = connection.settings.maximumRequestBytes
        return reader.withKept { bytes in
            switch MessageReader.prefix(of: bytes, limit: limit) {
            case .incomplete: false
            case .bad: true
            case .message(let length): bytes.count >= length + FramedMessage.prefixBytes
            }
        }
    }

    /// Hands on whole messages while the service and the reader of the answers keep up, and
    /// returns what is left.
    private func deliverMessages(
        in bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> UnsafeRawBufferPointer {
        let limit = connection.settings.maximumRequestBytes
        var rest = bytes
        isDelivering = true
        defer { isDelivering = false }
        while isOpen {
            awaitsReader = bufferedBytes > Self.unreadAnswerBytes
            guard !isHeld, !awaitsReader else { return rest }
            switch MessageReader.prefix(of: rest, limit: limit) {
            case .incomplete:
                return rest
            case .bad(let failure):
                refuse(failure)
            case .message(let length):
                let end = length + FramedMessage.prefixBytes
                guard rest.count >= end else { return rest }
                onMessage?(UnsafeRawBufferPointer(rebasing: rest[FramedMessage.prefixBytes..<end]))
                rest = UnsafeRawBufferPointer(rebasing: rest[end...])
            }
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
    }

    // MARK: - Credit

    /// New credit for all that came in, unless messages wait; and the clock of a message that is
    /// incomplete.
    private func settleCredit(_ connection: Connection) {
        guard isOpen else { return }
        if isWaiting {
            partialSinceSweep = nil
            return
        }
        creditAll(connection)
        if reader.isEmpty {
            partialSinceSweep = nil
        } else if partialSinceSweep == nil {
            partialSinceSweep = connection.liveness.sweeps
        }
    }

    /// Gives the client credit for everything it has sent.
    func creditAll(_ connection: Connection) {
        guard uncreditedBytes > 0 else { return }
        connection.session?.credit(self, uncreditedBytes)
        uncreditedBytes = 0
    }
}
