/// What to do with a command that just arrived for a session (section 4, Q1–Q4).
enum Sequencing {
    /// It is the next one: apply it, then what waited for it.
    case apply
    /// It was decided before: this is its answer.
    case answered(Answer)
    /// It opened a stream that is still there: replay the stream (E4).
    case reopen
    /// It waits for the ids before it; `isNew` is false for a second arrival.
    case hold(isNew: Bool)
    case refuse(Rejection)
}

extension Session {
    /// Decides about `requestID`, which is not 0.
    func sequence(_ requestID: UInt64, _ content: CommandContent, limits: Limits) -> Sequencing {
        if requestID <= lastRequestID { return repeated(requestID, content) }
        // `lastRequestID` < `requestID`, so the sum does not overflow.
        if requestID == lastRequestID + 1 { return .apply }
        let position = held.lowerBound { $0.requestID < requestID }
        if position < held.count, held[position].requestID == requestID {
            return held[position].content.isSameCommand(as: content)
                ? .hold(isNew: false) : .refuse(.requestMismatch)
        }
        guard held.count < limits.heldCommandsPerSession else {
            return .refuse(.tooManyHeld)
        }
        return .hold(isNew: true)
    }

    private func repeated(_ requestID: UInt64, _ content: CommandContent) -> Sequencing {
        if streamPosition(of: requestID) != nil {
            switch content {
            case .openStream: return .reopen
            case .latch: return .refuse(.requestMismatch)
            }
        }
        let position = answers.lowerBound { $0.requestID < requestID }
        if position < answers.count, answers[position].requestID == requestID {
            return answers[position].content.isSameCommand(as: content)
                ? .answered(answers[position].answer) : .refuse(.requestMismatch)
        }
        let isVoid = voids.contains { $0.first <= requestID && requestID <= $0.last }
        return .refuse(isVoid ? .gap : .alreadyAcknowledged)
    }

    /// Keeps a command until the ids before it have come. Not for one that is held already.
    mutating func hold(_ requestID: UInt64, _ content: CommandContent) {
        let position = held.lowerBound { $0.requestID < requestID }
        held.insert(HeldCommand(requestID: requestID, content: content), at: position)
    }

    /// Takes the held command that is next, if it is there.
    mutating func takeNextHeld() -> HeldCommand? {
        guard let first = held.first, first.requestID == lastRequestID &+ 1 else { return nil }
        return held.removeFirst()
    }

    /// Keeps an answer for retries, within the bounds: the oldest ones go first.
    mutating func store(_ answer: StoredAnswer, limits: Limits) {
        let position = answers.lowerBound { $0.requestID < answer.requestID }
        answers.insert(answer, at: position)
        if answers.count > limits.answersPerSession {
            answers.removeFirst(answers.count - limits.answersPerSession)
        }
    }

    /// Voids every id up to `requestID` that was not applied; returns the held ones among them.
    mutating func closeGap(upTo requestID: UInt64) -> [UInt64] {
        guard requestID > lastRequestID else { return [] }
        let first = lastRequestID + 1
        if let newest = voids.last, newest.last == lastRequestID {
            voids[voids.count - 1] = VoidRange(first: newest.first, last: requestID)
        } else {
            voids.append(VoidRange(first: first, last: requestID))
            if voids.count > Self.voidRangesKept { voids.removeFirst() }
        }
        lastRequestID = requestID
        let voided = held.lowerBound { $0.requestID <= requestID }
        defer { held.removeFirst(voided) }
        return held[..<voided].map(\.requestID)
    }

    /// One keep-alive.
    mutating func renew(deadlineMilliseconds: UInt64, acknowledged requestID: UInt64) {
        self.deadlineMilliseconds = deadlineMilliseconds
        acknowledge(upTo: requestID)
    }

    /// Q5: the client acknowledges its highest answered id, not a prefix, so one keep-alive is no
    /// proof that a lower id was answered. Answers go at the keep-alive after that one.
    private mutating func acknowledge(upTo requestID: UInt64) {
        let covered = answers.lowerBound { $0.requestID <= acknowledgedRequestID }
        if covered > 0 { answers.removeFirst(covered) }
        acknowledgedRequestID = max(acknowledgedRequestID, min(requestID, lastRequestID))
    }
}

extension Array {
    /// The first position whose element does not satisfy `precedes`, which holds for a prefix only.
    func lowerBound(_ precedes: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if precedes(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
