import Synchronization

/// Where a ``Latch`` stands.
public enum LatchState: Sendable, Hashable {
    /// Not taking part: not started, on the way to the cluster, pausing before it joins again, or
    /// at its end.
    case idle
    /// In the queue, behind so many: 1 is next.
    case queued(position: Int)
    /// In charge: a token and a deadline.
    case holding(Grant)
    /// In charge, but the cluster does not confirm it, perhaps because it has no quorum. The
    /// deadline still counts: finish, or prepare to stop.
    case jeopardy(Grant)
    /// What was held, or the place in the queue, is lost. Each token that was told by
    /// ``holding(_:)`` is followed by exactly one of these.
    case lost(LossReason)

    /// The right to act, if this state has one. Its deadline may have passed by now.
    public var grant: Grant? {
        switch self {
        case .holding(let grant), .jeopardy(let grant): grant
        case .idle, .queued, .lost: nil
        }
    }
}

/// The states of a ``Latch`` as a sequence: the present one first.
public struct LatchStates: AsyncSequence, Sendable {
    /// One state.
    public typealias Element = LatchState
    /// The sequence never throws.
    public typealias Failure = Never

    let stream: AsyncStream<LatchState>

    /// Reads the states. A reader that lags by more than 256 states misses the oldest.
    public func makeAsyncIterator() -> AsyncStream<LatchState>.Iterator {
        stream.makeAsyncIterator()
    }
}

/// The state of a ``Latch``, and those who want to be told.
final class LatchBoard: Sendable {
    private struct State {
        var current = LatchState.idle
        var readers: [UInt64: AsyncStream<LatchState>.Continuation] = [:]
        var lastReader: UInt64 = 0
        var isFinished = false

        mutating func show(_ state: LatchState) {
            guard state != current else { return }
            current = state
            for reader in readers.values { reader.yield(state) }
        }
    }

    private let state = Mutex(State())

    var current: LatchState { state.withLock { $0.current } }

    /// The present state and those that follow.
    func states() -> LatchStates {
        let (stream, output) = AsyncStream<LatchState>.makeStream(
            bufferingPolicy: .bufferingNewest(256))
        state.withLock { state in
            output.yield(state.current)
            guard !state.isFinished else { return output.finish() }
            state.lastReader += 1
            let number = state.lastReader
            state.readers[number] = output
            output.onTermination = { [weak self] _ in
                // Never under the lock: a reader ends where it reads, or by `finish` below.
                _ = self?.state.withLock { $0.readers.removeValue(forKey: number) }
            }
        }
        return LatchStates(stream: stream)
    }

    func show(_ new: LatchState) {
        state.withLock { $0.show(new) }
    }

    /// Shows what an event of a stay means.
    func show(_ event: Stay.Event) {
        state.withLock { state in
            switch event {
            case .began(let grant): state.show(.holding(grant))
            case .change(.queued(let position)): state.show(.queued(position: position))
            case .change(.jeopardy):
                if let grant = state.current.grant { state.show(.jeopardy(grant)) }
            case .change(.confirmed):
                if let grant = state.current.grant { state.show(.holding(grant)) }
            case .change(.ended(let reason)): state.show(.lost(reason))
            case .change(.over(let reason)):
                // The end of a token was told just before.
                if case .lost = state.current { return }
                state.show(.lost(reason))
            case .change(.began), .nudge: return
            }
        }
    }

    /// No states follow.
    func finish() {
        let readers = state.withLock { state in
            state.show(.idle)
            state.isFinished = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}
