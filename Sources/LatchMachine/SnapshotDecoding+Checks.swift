import BinaryCoding
import DequeModule

// What a state must hold to for the machine to rely on it: asked of snapshots when they are
// decoded, and of the state itself by `brokenInvariants`.

extension SnapshotDecoder {
    func require(
        _ count: Int, atMost limit: Int, _ field: StaticString
    ) throws(DecodingFailure) {
        guard count <= limit else {
            throw .invalid(field: "\(field)", reason: "\(count) are more than the limit \(limit)")
        }
    }
}

extension EventRing {
    /// Requires that the events lead to `latch`: the newest is its state, neither indexes nor terms
    /// nor tokens go back, and none is ahead of the log. So a later grant's token is higher (I14).
    func check(
        against latch: LatchState, upTo state: ReplicatedState
    ) throws(DecodingFailure) {
        guard latch == (newest?.state ?? LatchState()) else {
            throw .invalid(field: "events", reason: "the newest is not the state of the latch")
        }
        guard latch.fencingToken <= state.entryNumber(at: state.lastApplied) else {
            throw .invalid(field: "token", reason: "it is ahead of the log")
        }
        guard (newest?.index ?? 0) <= state.lastApplied else {
            throw .invalid(field: "event index", reason: "it is in the future")
        }
        for (event, next) in zip(events, events.dropFirst()) {
            guard event.index <= next.index, event.state.term <= next.state.term,
                event.state.fencingToken <= next.state.fencingToken
            else { throw .invalid(field: "events", reason: "they are not in order") }
        }
    }
}

extension Session {
    /// Requires the order and the bounds that a session promises.
    func check(
        _ id: SessionID, in state: ReplicatedState, _ limits: Limits
    ) throws(DecodingFailure) {
        try checkOrder()
        try checkVoids()
        guard answers.count <= limits.answersPerSession,
            held.count <= limits.heldCommandsPerSession,
            streams.count <= limits.streamsPerSession
        else { throw .invalid(field: "session", reason: "\(id) is past a limit") }
        // The expiry queue relies on it: renewing never moves a deadline back.
        let timeouts = Limits.minimumTimeoutMilliseconds...Limits.maximumTimeoutMilliseconds
        guard timeouts.contains(timeoutMilliseconds),
            deadlineMilliseconds <= state.time.deadline(timeout: timeoutMilliseconds)
        else { throw .invalid(field: "deadline", reason: "it is past a full timeout from now") }
        let opened = ReplicatedState.index(ofEntryNumber: id)
        for index in streams.map(\.openIndex) where index <= opened || index > state.lastApplied {
            throw .invalid(field: "open index", reason: "it is not in the session's life")
        }
    }

    private func checkOrder() throws(DecodingFailure) {
        guard ascends(answers.map(\.requestID), from: 1, through: lastRequestID) else {
            throw .invalid(field: "answers", reason: "they are not in order")
        }
        let firstHeld = lastRequestID.addingSaturated(2)
        guard ascends(held.map(\.requestID), from: firstHeld, through: .max) else {
            throw .invalid(field: "held commands", reason: "they are not in order")
        }
        guard ascends(streams.map(\.id), from: 1, through: lastRequestID) else {
            throw .invalid(field: "streams", reason: "they are not in order")
        }
        guard acknowledgedRequestID <= lastRequestID else {
            throw .invalid(field: "acknowledged request id", reason: "it is ahead of the last")
        }
    }

    /// Ranges ascend with an applied id between two of them: neighbours are one range.
    private func checkVoids() throws(DecodingFailure) {
        let areRanges = voids.allSatisfy {
            0 < $0.first && $0.first <= $0.last && $0.last <= lastRequestID
        }
        let areApart = zip(voids, voids.dropFirst()).allSatisfy { void, next in
            void.last < next.first && next.first - void.last > 1
        }
        guard voids.count <= Self.voidRangesKept, areRanges, areApart else {
            throw .invalid(field: "voids", reason: "they are not in order")
        }
    }

    private func ascends(_ ids: [UInt64], from first: UInt64, through last: UInt64) -> Bool {
        guard let lowest = ids.first, let highest = ids.last else { return true }
        return lowest >= first && highest <= last && zip(ids, ids.dropFirst()).allSatisfy(<)
    }
}
