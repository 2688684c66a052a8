// The way in: bytes of the request become messages for the service.

extension Call {
    /// A part of the request's body. `isFinal` says that it stands in the last DATA frame.
    func receive(_ chunk: UnsafeRawBufferPointer, isFinal: Bool) {
        guard isOpen, let connection else { return }
        if method.kind == .bidirectional {
            connection.earnIdleFrames()
            receiveMessages(chunk, connection)
            return
        }
        if isFinal, borrowed == nil, reader.kept.isEmpty {
            // The whole request in one piece: nothing is copied if its frame ends right here.
            borrowed = chunk
            connection.borrower = self
            return
        }
        keepBorrowed()
        keep(chunk, connection)
        refuseEarly(connection)
    }

    /// The read buffer goes away before the frame ended: copy what was only borrowed.
    func keepBorrowed() {
        guard let chunk = borrowed, let connection else { return }
        borrowed = nil
        connection.borrower = nil
        keep(chunk, connection)
    }

    /// The client has sent all it will send.
    func requestEnded() {
        isHalfClosed = true
        guard isOpen, let connection else { return }
        if method.kind == .bidirectional {
            endMessages()
            return
        }
        if let chunk = borrowed {
            borrowed = nil
            connection.borrower = nil
            dispatch(chunk, connection)
        } else {
            let bytes = reader.takeKept()
            releaseBudget(connection)
            bytes.withUnsafeBytes { dispatch($0, connection) }
        }
    }

    private func dispatch(_ request: UnsafeRawBufferPointer, _ connection: Connection) {
        let limit = connection.settings.maximumRequestBytes
        switch MessageReader.single(in: request, limit: limit) {
        case .success(let message): method.handler(self, message)
        case .failure(let failure): refuse(failure)
        }
    }

    /// Says no as soon as the prefix tells that the message is too large or compressed.
    private func refuseEarly(_ connection: Connection) {
        let limit = connection.settings.maximumRequestBytes
        let prefix = reader.kept.withUnsafeBytes { MessageReader.prefix(of: $0, limit: limit) }
        switch prefix {
        case .incomplete: break
        case .bad(let failure): refuse(failure)
        case .message(let length):
            if reader.kept.count > length + FramedMessage.prefixBytes {
                refuse(
                    GRPCStatusFailure(.internalError, "the request has more than one message"))
            }
        }
    }

    private func refuse(_ failure: GRPCStatusFailure) {
        interrupt(with: failure.status, trailers: failure.trailers)
    }

    // MARK: - Bidirectional

    private func receiveMessages(_ chunk: UnsafeRawBufferPointer, _ connection: Connection) {
        guard !reader.kept.isEmpty else {
            let rest = deliverMessages(in: chunk, connection)
            keep(rest, connection)
            return
        }
        keep(chunk, connection)
        guard isOpen, hasWholeMessage(connection) else { return }
        // Taken out first: the service may do anything with the call while it has a message.
        let bytes = reader.takeKept()
        releaseBudget(connection)
        bytes.withUnsafeBytes { all in
            let rest = deliverMessages(in: all, connection)
            keep(rest, connection)
        }
    }

    /// Whether the kept bytes start with a whole message, or a bad one, so that it is worth
    /// copying what follows: a large message in small frames is then copied once, not each time.
    private func hasWholeMessage(_ connection: Connection) -> Bool {
        let limit = connection.settings.maximumRequestBytes
        return reader.kept.withUnsafeBytes { bytes in
            switch MessageReader.prefix(of: bytes, limit: limit) {
            case .incomplete: false
            case .bad: true
            case .message(let length): bytes.count >= length + FramedMessage.prefixBytes
            }
        }
    }

    /// Hands on all whole messages and returns what is left.
    private func deliverMessages(
        in bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> UnsafeRawBufferPointer {
        let limit = connection.settings.maximumRequestBytes
        var rest = bytes
        while isOpen {
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

    private func endMessages() {
        guard reader.kept.isEmpty else {
            refuse(GRPCStatusFailure(.internalError, "the request ends inside a message"))
            return
        }
        onHalfClose?()
    }

    // MARK: - Memory

    private func keep(_ chunk: UnsafeRawBufferPointer, _ connection: Connection) {
        guard isOpen, !chunk.isEmpty else { return }
        guard connection.shared.reserveRequestBytes(chunk.count) else {
            let message = "too many bytes of incomplete requests; try again later"
            refuse(GRPCStatusFailure(.resourceExhausted, message))
            return
        }
        reservedBytes &+= chunk.count
        reader.keep(chunk)
    }

    private func releaseBudget(_ connection: Connection) {
        connection.shared.releaseRequestBytes(reservedBytes)
        reservedBytes = 0
    }

    /// Lets go of what came in; the call needs no more of it.
    func dropRequest() {
        guard let connection else { return }
        borrowed = nil
        if connection.borrower === self { connection.borrower = nil }
        guard reservedBytes > 0 else { return }
        _ = reader.takeKept()
        releaseBudget(connection)
    }
}
