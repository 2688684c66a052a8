import Synchronization

/// What there is to see of one latch: the state now, and every change after. Goes on through
/// another node when one fails or falls silent, without leaving out a term.
///
/// A slow reader gets the newest state and all the terms between at once.
public struct LatchObservations: AsyncSequence, Sendable {
    /// What one step of the sequence shows.
    public typealias Element = LatchObservation
    /// The sequence throws ``LatchError``.
    public typealias Failure = any Error

    let begin: @Sendable (ObservationBuffer) -> Task<Void, Never>

    /// Begins to observe. Each iterator observes for itself, until it is dropped or its task is
    /// cancelled.
    public func makeAsyncIterator() -> Iterator {
        let buffer = ObservationBuffer()
        return Iterator(buffer: buffer, reading: Reading(begin(buffer)))
    }

    /// Reads what is observed.
    public struct Iterator: AsyncIteratorProtocol {
        let buffer: ObservationBuffer
        let reading: Reading

        /// What was seen since the last call; nil when the task is cancelled or the client was shut
        /// down.
        public mutating func next() async throws -> LatchObservation? {
            try await buffer.next()
        }
    }

    /// Ends the observing with the last copy of its iterator.
    final class Reading: Sendable {
        private let task: Task<Void, Never>

        init(_ task: Task<Void, Never>) {
            self.task = task
        }

        deinit { task.cancel() }
    }
}

/// Holds what one reader has not taken yet, merged into one observation.
final class ObservationBuffer: Sendable {
    /// Terms that wait for the reader, at most; past it the oldest go, and the reader is told.
    static let mostTerms = 4_096

    private struct State {
        var pending: LatchObservation?
        var end: Result<Void, any Error>?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Adds what was seen.
    func add(_ observation: LatchObservation) {
        wake { state in
            guard let pending = state.pending else {
                state.pending = observation
                return
            }
            state.pending = pending.merged(with: observation, atMost: Self.mostTerms)
        }
    }

    /// Nothing follows.
    func finish(_ end: Result<Void, any Error>) {
        wake { if $0.end == nil { $0.end = end } }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state in
            change(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// What was added since the last call. One reader.
    func next() async throws -> LatchObservation? {
        while true {
            let step = state.withLock { state -> Result<LatchObservation?, any Error>? in
                if let pending = state.pending {
                    state.pending = nil
                    return .success(pending)
                }
                return state.end.map { $0.map { nil } }
            }
            if let step { return try step.get() }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        let isReady = state.pending != nil || state.end != nil
                        if !isReady { state.waiter = continuation }
                        return isReady
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                finish(.success(()))
            }
        }
    }
}

extension LatchObservation {
    /// Both in one: the newest state, and the terms of both; of a term that is in both, the later
    /// form.
    func merged(with next: LatchObservation, atMost limit: Int) -> LatchObservation {
        let updated = Set(next.terms.map(\.fencingToken))
        let all = terms.filter { !updated.contains($0.fencingToken) } + next.terms
        let terms = Array(all.suffix(limit))
        return LatchObservation(
            latch: next.latch, terms: terms,
            isReset: isReset || next.isReset || terms.count < all.count, index: next.index)
    }
}
