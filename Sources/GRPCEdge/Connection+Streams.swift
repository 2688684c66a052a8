// What the HTTP/2 session tells of its streams.

extension Connection {
    // MARK: - Request headers

    /// A header block starts; blocks never interleave (RFC 9113 §4.3).
    func headersBegan(streamID: Int32) {
        head = RequestHead()
        headStreamID = streamID
        liveness.headBegan()
    }

    /// HTTP/2 closed a stream, with or without a call. Of a header block that is refused for what
    /// is in it the end is not told, so nobody waits for it any more.
    func streamClosed(streamID: Int32) {
        if streamID == headStreamID { liveness.headEnded() }
    }

    /// A header field; false when the list has become too long.
    func headerReceived(
        name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        head.take(name: name, value: value, methods: shared.methods)
        return head.listBytes <= settings.maximumHeaderListBytes
    }

    /// A header block is complete: a request opens a call or is refused.
    func headersEnded(streamID: Int32, isRequest: Bool) {
        liveness.headEnded()
        guard isRequest, let session else { return }
        earnIdleFrames()
        switch head.refusal() {
        case .http(let refusal):
            session.submit(Self.block(for: refusal), on: streamID)
            setNeedsFlush()
        case .grpc(let status):
            refuse(streamID, status, session)
        case nil:
            guard let index = head.methodIndex else { return }
            open(index, streamID, session)
        }
    }

    private func open(_ index: Int, _ streamID: Int32, _ session: HTTP2Session) {
        let method = shared.methods.methods[index]
        let deadline = head.deadline()
        let call = Call(streamID: streamID, method: method, deadline: deadline, connection: self)
        guard session.adopt(call) else { return }
        link(call)
        call.noteBegan(self, method: index)
        if deadline != nil { newDeadlines.append(call) }
        if method.kind == .bidirectional {
            method.handler(call, UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    private func refuse(_ streamID: Int32, _ status: GRPCStatus, _ session: HTTP2Session) {
        var block = answerHead
        block.append(status, [])
        session.submit(block, on: streamID)
        setNeedsFlush()
    }

    private static func block(for refusal: RequestHead.HTTPRefusal) -> HeaderBlock {
        var block = HeaderBlock()
        switch refusal {
        case .methodNotAllowed:
            block.append(":status", "405")
            block.append("allow", "POST")
        case .unsupportedMediaType:
            block.append(":status", "415")
        }
        return block
    }

    // MARK: - Open calls

    private func link(_ call: Call) {
        call.next = firstCall
        firstCall?.previous = call
        firstCall = call
    }

    private func unlink(_ call: Call) {
        if let previous = call.previous {
            previous.next = call.next
        } else {
            firstCall = call.next
        }
        call.next?.previous = call.previous
        call.next = nil
        call.previous = nil
    }

    /// HTTP/2 closed the stream of `call`.
    func streamClosed(_ call: Call) {
        unlink(call)
        call.streamClosed()
    }

    /// The connection is lost. Deleting a session calls no callbacks, so the references that it
    /// holds are given up here.
    func cancelAllCalls() {
        while let call = firstCall {
            unlink(call)
            // The session's reference ends with this scope: no one else holds the call for us.
            let held = HTTP2Session.release(call)
            held.streamClosed()
        }
        newDeadlines.removeAll()
        writableCalls.removeAll()
    }

    /// Visits the open calls; `body` may end the call it is given.
    func forEachCall(_ body: (Call) -> Void) {
        var current = firstCall
        while let call = current {
            current = call.next
            body(call)
        }
    }

    /// Ends calls that have waited too long for their client: to send the rest of a request
    /// message, or to read what is left of the answer. What is read of any call counts: HTTP/2
    /// sends one answer after the other.
    func endOverdueCalls() {
        var waiting = 0
        forEachCall { call in
            if call.isRequestOverdue(liveness) {
                call.interrupt(
                    with: GRPCStatus(.deadlineExceeded, "the request did not arrive in time"))
            } else if call.isUpToReader {
                waiting += call.bufferedBytes
            }
        }
        guard readerPace.isAbandoned(taken: takenBytes, waiting: waiting, liveness) else { return }
        forEachCall { if $0.isUpToReader { dropSlowReader($0) } }
    }

    // MARK: - Frames without work

    /// Work done or asked for allows a peer some more frames around it: window updates, and the
    /// bandwidth probes that honest clients send with every burst.
    func earnIdleFrames() {
        idleFrames = min(idleFrames &+ 4, settings.maximumIdleFrames)
    }

    /// A frame that asks for nothing. CVE-2019-9512, -9515, -9518: floods of those cost us more
    /// than the peer, also when it reads all answers.
    func spendIdleFrame() {
        idleFrames &-= 1
        if idleFrames < 0 { endFlood("too many frames without work") }
    }

    /// The client has reset a stream. CVE-2023-44487, Rapid Reset: opening and resetting costs us
    /// more than the peer. libnghttp2 has such a limit too, but calls it an internal error.
    func resetReceived() {
        spendIdleFrame()
        spendReset()
    }

    /// We have reset a stream for what the client sent on it, or did not read. CVE-2025-8671,
    /// MadeYouReset: costs us as much as a reset of the client's own, and it may open the next.
    func resetSent() {
        spendReset()
    }

    private func spendReset() {
        resets &-= 1
        if resets < 0 { endFlood("too many streams were reset") }
    }

    private func endFlood(_ reason: String) {
        guard !isClosing else { return }
        protocolViolated(reason)
        session?.terminate()
    }

    /// The session ends for this reason.
    func protocolViolated(_ reason: String) {
        report(reason)
    }
}
