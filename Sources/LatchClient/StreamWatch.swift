import Synchronization

/// Watches one transport of a stream. It is cut when it is quiet for too long, or when its node is
/// suspected: a frozen node closes no connection.
final class StreamWatch: Sendable {
    private struct State {
        var isCut = false
        var cancel: (@Sendable () -> Void)?
        var quietUntil: ContinuousClock.Instant
    }

    let endpoint: Endpoint
    private let patience: Duration
    private let state: Mutex<State>

    /// - Parameters:
    ///   - first: how long the first message may take.
    ///   - patience: how long each later one may take.
    init(endpoint: Endpoint, first: Duration, patience: Duration) {
        self.endpoint = endpoint
        self.patience = patience
        state = Mutex(State(quietUntil: .now + first))
    }

    /// A message arrived.
    func noteHeard() {
        state.withLock { $0.quietUntil = .now + patience }
    }

    /// Ends the transport; ``run(_:)`` returns.
    func cut() {
        let cancel = state.withLock { state in
            state.isCut = true
            return state.cancel
        }
        cancel?()
    }

    /// Runs `read`, which is cancelled by ``cut()`` and by silence.
    func run<End: Sendable>(_ read: @escaping @Sendable () async -> End) async -> End {
        let call = Task { await read() }
        let isCut = state.withLock { state in
            state.cancel = { call.cancel() }
            return state.isCut
        }
        if isCut { call.cancel() }
        let watchdog = Task {
            while !Task.isCancelled {
                let until = state.withLock { $0.quietUntil }
                guard until > .now else { return cut() }
                try await Task.sleep(until: until, clock: .continuous)
            }
        }
        defer {
            watchdog.cancel()
            state.withLock { $0.cancel = nil }
        }
        return await withTaskCancellationHandler {
            await call.value
        } onCancel: {
            call.cancel()
        }
    }
}
