/// What a session knows of itself: ids, acknowledgements, and how long it is certainly alive. Pure.
///
/// Request ids are one counter for Latch and Events (section 4 of the Atomix contract). The
/// deadline counts from the moment at which an acknowledged keep-alive was *sent*: the servers
/// count from a later one, so they never end the session before it. A session whose deadline has
/// passed is lost for good, whatever is acknowledged after that.
package struct SessionBook: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package let sessionID: UInt64
    /// From sending an acknowledged keep-alive to the deadline.
    private let life: Duration
    /// The session is certainly alive until then.
    package private(set) var deadline: Instant
    /// When the last acknowledged keep-alive (or Create) was sent.
    package private(set) var renewedAt: Instant
    /// The highest index in any answer or event.
    package private(set) var highestIndex: UInt64
    /// The highest request id that was answered.
    package private(set) var answeredRequestID: UInt64 = 0
    /// Open streams: the last response id received on each.
    package private(set) var streams: [UInt64: UInt64] = [:]
    private var lastRequestID: UInt64 = 0

    /// A session just created.
    /// - Parameter sentAt: when the answered Create was sent.
    package init(sessionID: UInt64, index: UInt64, ttl: Duration, sentAt: Instant) {
        self.sessionID = sessionID
        life = KeepAliveSchedule.certainLife(ofTTL: ttl)
        highestIndex = index
        renewedAt = sentAt
        deadline = sentAt + life
    }

    /// The id for the session's next command.
    package mutating func takeRequestID() -> UInt64 {
        lastRequestID += 1
        return lastRequestID
    }

    /// A command was answered at `index`.
    package mutating func answered(requestID: UInt64, index: UInt64) {
        answeredRequestID = max(answeredRequestID, requestID)
        noteIndex(index)
    }

    package mutating func noteIndex(_ index: UInt64) {
        highestIndex = max(highestIndex, index)
    }

    /// A keep-alive that was sent at `sentAt` is known at `now` to be acknowledged.
    /// Acknowledgements may come out of order. One that comes after the deadline changes nothing:
    /// the loss may have been told, and nobody holds again what was lost.
    package mutating func renewed(sentAt: Instant, now: Instant) {
        guard now < deadline, sentAt > renewedAt else { return }
        renewedAt = sentAt
        deadline = sentAt + life
    }

    /// What a frame means for the stream's reader.
    package enum FrameVerdict: Hashable, Sendable {
        /// The next frame in order: use it.
        case next
        /// Seen before (a replay after a reconnect): skip it.
        case duplicate
        /// Frames are missing: the stream is worthless, open another.
        case gap
    }

    /// A frame came on stream `stream` (E2: response ids count 1, 2, 3 …).
    package mutating func received(stream: UInt64, responseID: UInt64, index: UInt64)
        -> FrameVerdict
    {
        let last = streams[stream] ?? 0
        if responseID <= last { return .duplicate }
        guard responseID == last &+ 1 else { return .gap }
        streams[stream] = responseID
        answered(requestID: stream, index: index)
        return .next
    }

    /// The stream is over, or given up: keep-alives no longer list it, so the servers drop it (E5).
    package mutating func forget(stream: UInt64) {
        streams[stream] = nil
    }

    /// The opening that seemed to succeed was refused: its id counts as unanswered again.
    package mutating func refused(stream: UInt64) {
        streams[stream] = nil
        if answeredRequestID == stream { answeredRequestID -= 1 }
    }

    /// A refusal is the final answer of `requestID`, a command's or a stream's. Returns the id for
    /// the next try.
    package mutating func replaceRefused(requestID: UInt64) -> UInt64 {
        forget(stream: requestID)
        answered(requestID: requestID, index: 0)
        return takeRequestID()
    }

    /// Streams to list in a keep-alive or Close, in ascending id. None is above
    /// ``answeredRequestID``: the first frame of a stream answers its request.
    package var acknowledgements: [(stream: UInt64, responseID: UInt64)] {
        streams.sorted { $0.key < $1.key }.map { (stream: $0.key, responseID: $0.value) }
    }
}
