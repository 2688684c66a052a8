/// One Events stream of a session. Its frames are not stored: they follow from the latch's ring.
///
/// Response id 1 is OPEN, 2 the initial CHANGED if there is one, then one for each event after
/// `baseEvent`; CLOSE is the next id after the last (section 8).
struct EventStream: Sendable {
    /// The request id that opened it.
    let id: UInt64
    /// The index of the entry that opened it.
    let openIndex: UInt64
    /// The number of the latch's newest event when the stream was opened.
    let baseEvent: UInt64
    /// Whether a CHANGED with the state at opening follows OPEN (decided rule 4).
    let hasInitial: Bool
    /// Frames up to this one are never replayed; never over the last one sent.
    var acknowledgedResponseID: UInt64 = 0

    /// What to add to an event's number to get its response id, modulo 2⁶⁴.
    var offset: UInt64 { preambleFrames &- baseEvent }

    /// Frames before the first event.
    private var preambleFrames: UInt64 { hasInitial ? 2 : 1 }

    /// The response id of the last frame so far.
    func lastResponseID(newestEvent: UInt64) -> UInt64 { newestEvent &+ offset }

    /// All frames after `responseID`, or nil if the ring no longer has them all.
    func frames(after responseID: UInt64, in ring: EventRing) -> [Frame]? {
        let last = lastResponseID(newestEvent: ring.newestNumber)
        guard responseID < last else { return [] }
        var frames: [Frame] = []
        if responseID < 1 {
            frames.append(Frame(responseID: 1, index: openIndex, content: .open))
        }
        if hasInitial, responseID < 2 {
            guard let base = ring.event(baseEvent) else { return nil }
            // Clarified (f): the first CHANGED has OPEN's index, not that of the change it tells.
            frames.append(
                Frame(responseID: 2, index: openIndex, content: .changed(base.state)))
        }
        let firstEvent = max(responseID, preambleFrames) &- offset &+ 1
        guard firstEvent <= ring.newestNumber else { return frames }
        for number in firstEvent...ring.newestNumber {
            guard let event = ring.event(number) else { return nil }
            frames.append(
                Frame(
                    responseID: number &+ offset, index: event.index,
                    content: .changed(event.state)))
        }
        return frames
    }
}

extension Session {
    func streamPosition(of id: UInt64) -> Int? {
        let position = streams.lowerBound { $0.id < id }
        return position < streams.count && streams[position].id == id ? position : nil
    }
}

/// A stream as its latch sees it: enough to number a frame without looking at the session. Ordered
/// and equal by its key alone.
struct StreamCursor: Comparable, Sendable {
    let key: StreamKey
    let offset: UInt64

    static func == (left: Self, right: Self) -> Bool { left.key == right.key }
    static func < (left: Self, right: Self) -> Bool { left.key < right.key }
}
