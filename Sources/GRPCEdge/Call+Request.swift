// The way in: bytes of the request become messages for the service.

extension Call {
    /// A part of the request's body. `isFinal` says that it stands in the last DATA frame.
    func receive(_ chunk: UnsafeRawBufferPointer, isFinal: Bool) {
        guard isOpen, let connection else {
            // What a finished call still receives takes no room.
            connection?.session?.credit(self, chunk.count)
            return
        }
        if method.kind == .bidirectional {
            receiveMessages(chunk, connection)
            return
        }
        connection.session?.credit(self, chunk.count)
        if isFinal, borrowed == nil, reader.isEmpty {
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
            let request = reader.take()
            releaseBudget(connection)
            request.withKept { dispatch($0, connection) }
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
        let prefix = reader.withKept { MessageReader.prefix(of: $0, limit: limit) }
        switch prefix {
        case .incomplete: break
        case .bad(let failure): refuse(failure)
        case .message(let length):
            if reader.count > length + FramedMessage.prefixBytes {
                refuse(
                    GRPCStatusFailure(.internalError, "the request has more than one message"))
            }
        }
    }

    func refuse(_ failure: GRPCStatusFailure) {
        interrupt(with: failure.status, trailers: failure.trailers)
    }

    /// Whether the rest of a message does not arrive: of the single one, or of one of a
    /// bidirectional call that has begun.
    func isRequestOverdue(_ liveness: Liveness) -> Bool {
        guard isOpen, !isHalfClosed else { return false }
        switch method.kind {
        case .unary, .serverStreaming: return liveness.isOverdue(openedInSweep)
        case .bidirectional: return partialSinceSweep.map(liveness.isOverdue) ?? false
        }
    }

    // MARK: - Memory

    func keep(_ chunk: UnsafeRawBufferPointer, _ connection: Connection) {
        guard isOpen, !chunk.isEmpty else { return }
        guard connection.shared.reserveRequestBytes(chunk.count, for: connection.client) else {
            let message = "too many bytes of incomplete requests; try again later"
            refuse(GRPCStatusFailure(.resourceExhausted, message))
            return
        }
        reservedBytes &+= chunk.count
        reader.keep(chunk)
    }

    /// Gives so many of the reserved bytes back; nil: all.
    func releaseBudget(_ connection: Connection, _ count: Int? = nil) {
        let count = count ?? reservedBytes
        connection.shared.releaseRequestBytes(count, of: connection.client)
        reservedBytes &-= count
    }

    /// Lets go of what came in; the call needs no more of it.
    func dropRequest() {
        guard let connection else { return }
        borrowed = nil
        if connection.borrower === self { connection.borrower = nil }
        partialSinceSweep = nil
        creditAll(connection)
        guard reservedBytes > 0 else { return }
        reader = MessageReader()
        releaseBudget(connection)
    }
}
