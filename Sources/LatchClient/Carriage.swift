import Synchronization

/// One transport of an Events stream. It is cut when its first frame takes too long, or when a
/// keep-alive shows that its node does not answer: a frozen node closes no connection.
final class Carriage: Sendable {
    private struct State {
        var call: Task<EventsEnd, Never>?
        var isCut = false
        var isHeard = false
    }

    let endpoint: Endpoint
    private let state = Mutex(State())

    init(endpoint: Endpoint) {
        self.endpoint = endpoint
    }

    /// A frame arrived.
    func noteHeard() {
        state.withLock { $0.isHeard = true }
    }

    /// Ends the transport; ``run(openWithin:clock:_:)`` returns.
    func cut() {
        let call = state.withLock { state in
            state.isCut = true
            return state.call
        }
        call?.cancel()
    }

    /// Runs `read`, and cuts it if no frame arrives in `timeout`.
    func run(
        openWithin timeout: Duration, clock: ContinuousClock,
        _ read: @escaping @Sendable () async -> EventsEnd
    ) async -> EventsEnd {
        let call = Task { await read() }
        let isCut = state.withLock { state in
            state.call = call
            return state.isCut
        }
        if isCut { call.cancel() }
        let watchdog = Task {
            try await Task.sleep(for: timeout, clock: clock)
            if !state.withLock({ $0.isHeard }) { cut() }
        }
        defer { watchdog.cancel() }
        return await withTaskCancellationHandler {
            await call.value
        } onCancel: {
            call.cancel()
        }
    }
}
