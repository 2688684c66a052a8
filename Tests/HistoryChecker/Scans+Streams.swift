// Events streams: section 8 of the contract, I17.
extension HistoryChecker {
    private struct StreamKey: Hashable {
        let latch: String
        let session: UInt64
        let stream: UInt64
    }

    /// Positions of each stream's frames, by response id; in order of receipt within one.
    private static func streams(
        _ history: [ClientOperation]
    ) -> [(key: StreamKey, frames: [(response: UInt64, position: Int)])] {
        var order: [StreamKey] = []
        var frames: [StreamKey: [(response: UInt64, position: Int)]] = [:]
        for (position, operation) in history.enumerated() {
            guard case .frame(let latch, let session, let stream, let response) = operation.call
            else { continue }
            switch operation.outcome {
            case .state, .streamOpened, .streamClosed: break
            case nil, .opened, .alive, .closed, .unknownSession, .done, .denied, .refused: continue
            }
            let key = StreamKey(latch: latch, session: session, stream: stream)
            if frames[key] == nil { order.append(key) }
            frames[key, default: []].append((response, position))
        }
        return order.map { key in
            let sorted = (frames[key] ?? []).sorted {
                ($0.response, history[$0.position].returned ?? .max)
                    < ($1.response, history[$1.position].returned ?? .max)
            }
            return (key, sorted)
        }
    }

    /// A stream's frames are numbered one by one and come in that order; one that is repeated is
    /// the same (E2, E4).
    static func streamsHaveNoGaps(_ history: [ClientOperation]) -> Report? {
        for (key, frames) in streams(history) {
            for (previous, next) in zip(frames, frames.dropFirst()) {
                let (first, second) = (history[previous.position], history[next.position])
                let claim: String
                if previous.response == next.response {
                    guard first.outcome != second.outcome || first.index != second.index else {
                        continue
                    }
                    claim = "a repeated frame is the same"
                } else if next.response - previous.response != 1 {
                    claim = "a stream has no gap"
                } else if first.outcome == .streamClosed {
                    claim = "nothing follows the end of a stream"
                } else if second.outcome == .streamOpened {
                    claim = "a stream begins once"
                } else if second.index ?? 0 < first.index ?? 0 {
                    claim = "a stream's indexes ascend"
                } else if isEarlier(next.response, than: previous.response, frames, history) {
                    claim = "a stream's frames come in order"
                } else {
                    continue
                }
                return report(
                    .scan, "\(claim): stream \(key.stream) of session \(key.session)",
                    [previous.position, next.position], of: history)
            }
        }
        return nil
    }

    /// Whether the one frame was received before the other, each for the first time.
    private static func isEarlier(
        _ response: UInt64, than other: UInt64,
        _ frames: [(response: UInt64, position: Int)], _ history: [ClientOperation]
    ) -> Bool {
        func receipt(_ response: UInt64) -> UInt64 {
            var low = 0
            var high = frames.count
            while low < high {
                let middle = (low + high) / 2
                if frames[middle].response < response { low = middle + 1 } else { high = middle }
            }
            return low < frames.count ? history[frames[low].position].returned ?? .max : .max
        }
        return receipt(response) < receipt(other)
    }

    /// Between two frames of a stream nobody else was shown a change that is in neither.
    static func streamsMissNothing(_ history: [ClientOperation]) -> Report? {
        struct Seen {
            let index: UInt64
            let position: Int
            let view: LatchView
        }
        var latches: [String: [Seen]] = [:]
        for (position, operation) in history.enumerated() {
            guard case .state(let view) = operation.outcome, let index = operation.index, index > 0
            else { continue }
            if operation.call.requestID == 0 { continue }
            latches[operation.call.latch, default: []].append(
                Seen(index: index, position: position, view: view))
        }
        for latch in latches.keys { latches[latch]?.sort { $0.index < $1.index } }

        for (key, frames) in streams(history) {
            guard let seen = latches[key.latch] else { continue }
            var next = 0
            for (previous, following) in zip(frames, frames.dropFirst()) {
                guard case .state(let view) = history[previous.position].outcome,
                    let from = history[previous.position].index, from > 0,
                    let to = history[following.position].index
                else { continue }
                while next < seen.count, seen[next].index <= from { next += 1 }
                while next < seen.count, seen[next].index < to {
                    let other = seen[next].view
                    if other.participants != view.participants || other.term != view.term
                        || (other.value ?? view.value) != (view.value ?? other.value)
                    {
                        return report(
                            .scan,
                            "a stream shows every change: stream \(key.stream) of session "
                                + "\(key.session)",
                            [previous.position, seen[next].position, following.position],
                            of: history)
                    }
                    next += 1
                }
            }
        }
        return nil
    }
}
