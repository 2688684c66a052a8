// The way out: messages wait here until HTTP/2 asks for bytes.

extension Call {
    /// What `fill` did.
    enum Filled {
        /// Bytes were written, and more may follow.
        case bytes(Int)
        /// The last bytes were written; trailers come next.
        case last(Int)
        /// There is nothing to send until `wake`.
        case nothing
    }

    /// Appends a message to what waits; `limit` is the call's, for `onWritable`.
    func enqueue(_ bytes: [UInt8], limit: Int) {
        if bufferedBytes == 0 {
            current = bytes
            currentOffset = 0
        } else {
            waiting.append(bytes)
        }
        bufferedBytes &+= bytes.count
        if bufferedBytes > limit / 2 { wasOverHalf = true }
    }

    /// Tells HTTP/2 that there is something to send, once for however much there is.
    func wake(_ connection: Connection) {
        if !isAnswered {
            isAnswered = true
            connection.session?.submitAnswer(self)
        } else if isDeferred {
            isDeferred = false
            connection.session?.resume(self)
        }
        connection.setNeedsFlush()
    }

    /// Copies queued bytes into a DATA frame. Called by HTTP/2 when the windows have room.
    func fill(_ frame: UnsafeMutableRawBufferPointer) -> Filled {
        var written = 0
        while written < frame.count, bufferedBytes > 0 {
            let count = min(frame.count &- written, current.count &- currentOffset)
            current.withUnsafeBytes { source in
                let part = UnsafeRawBufferPointer(rebasing: source[currentOffset...].prefix(count))
                UnsafeMutableRawBufferPointer(rebasing: frame[written...]).copyMemory(from: part)
            }
            written &+= count
            currentOffset &+= count
            bufferedBytes &-= count
            if currentOffset == current.count { advance() }
        }
        noteTaken(written)
        if bufferedBytes > 0 { return .bytes(written) }
        if case .none = ending {
            guard written == 0 else { return .bytes(written) }
            isDeferred = true
            return .nothing
        }
        return .last(written)
    }

    private func advance() {
        currentOffset = 0
        guard waitingHead < waiting.count else {
            current = []
            return
        }
        current = waiting[waitingHead]
        waiting[waitingHead] = []
        waitingHead &+= 1
        if waitingHead == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            waitingHead = 0
        } else if waitingHead >= 1024 {
            waiting.removeFirst(waitingHead)
            waitingHead = 0
        }
    }

    private func noteTaken(_ count: Int) {
        guard count > 0, let connection else { return }
        connection.queuedBytes &-= count
        connection.takenBytes &+= count
        connection.earnIdleFrames()
        guard isOpen else { return }
        let half = connection.settings.maximumBufferedBytesPerCall / 2
        let isUnderHalf = wasOverHalf && bufferedBytes < half
        let mayGoOn = awaitsReader && bufferedBytes <= Self.unreadAnswerBytes / 2
        let isDrained = bufferedBytes == 0 && onDrained != nil
        if isUnderHalf || mayGoOn || isDrained { connection.becameWritable(self) }
    }

    /// The client has read on: outside of HTTP/2's callbacks, so that services may send at once.
    func readerCaughtUp(_ connection: Connection) {
        if wasOverHalf, bufferedBytes < connection.settings.maximumBufferedBytesPerCall / 2 {
            wasOverHalf = false
            onWritable?()
        }
        if bufferedBytes == 0 { onDrained?() }
        goOn()
    }

    /// Whether only the client can move the call, by reading: it is finished, or holds messages of
    /// the client's until their answers have room.
    var isUpToReader: Bool {
        bufferedBytes > 0 && (!isOpen || (awaitsReader && !reader.isEmpty))
    }

    /// Drops what is not yet sent; only for a stream that will be reset.
    func discardQueue() {
        connection?.queuedBytes &-= bufferedBytes
        bufferedBytes = 0
        current = []
        currentOffset = 0
        waiting = []
        waitingHead = 0
    }
}
