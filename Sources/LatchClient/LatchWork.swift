import Synchronization

/// What is done under the grants of a ``Latch``: one at a time, in their order.
final class LatchWork: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        var failure: (any Error)?
    }

    private let body: (@Sendable (Grant) async throws -> Void)?
    private let onFailure: @Sendable () -> Void
    private let state = Mutex(State())

    /// - Parameter onFailure: called once the work threw although its grant was valid.
    init(
        _ body: (@Sendable (Grant) async throws -> Void)?, onFailure: @escaping @Sendable () -> Void
    ) {
        self.body = body
        self.onFailure = onFailure
    }

    /// What the work threw, not because it was cancelled.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// Begins the work of `grant`, once that of the grant before has ended.
    func start(_ grant: Grant) {
        guard let body else { return }
        state.withLock { state in
            let before = state.task
            before?.cancel()
            state.task = Task {
                await before?.value
                // Lost while the work of before was ending.
                guard grant.isValid, !Task.isCancelled else { return }
                do {
                    try await body(grant)
                } catch {
                    if !Task.isCancelled, grant.isValid { self.fail(error) }
                }
            }
        }
    }

    /// Asks the work to stop.
    func cancel() {
        state.withLock { $0.task }?.cancel()
    }

    /// Waits until the work has ended.
    func end() async {
        await state.withLock { $0.task }?.value
    }

    private func fail(_ error: any Error) {
        state.withLock { $0.failure = error }
        onFailure()
    }
}

/// Says once that it is time to stop, to all who want to be told.
final class StopSignal: Sendable {
    private struct State {
        var isSent = false
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var lastHandler: UInt64 = 0
    }

    private let state = Mutex(State())

    var isSent: Bool { state.withLock { $0.isSent } }

    func send() {
        let handlers = state.withLock { state in
            state.isSent = true
            defer { state.handlers = [:] }
            return Array(state.handlers.values)
        }
        for handler in handlers { handler() }
    }

    /// Calls `handler` when the signal is sent, or at once if it was. Returns a number for
    /// ``forget(_:)``.
    func onSend(_ handler: @escaping @Sendable () -> Void) -> UInt64 {
        let (number, isSent) = state.withLock { state in
            state.lastHandler += 1
            if !state.isSent { state.handlers[state.lastHandler] = handler }
            return (state.lastHandler, state.isSent)
        }
        if isSent { handler() }
        return number
    }

    func forget(_ number: UInt64) {
        state.withLock { state in
            state.handlers[number] = nil
        }
    }

    /// Runs `body` in a task of its own that the signal cancels.
    func cancelling<Value: Sendable>(
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let task = Task { try await body() }
        let handler = onSend { task.cancel() }
        defer { forget(handler) }
        return try await task.value
    }
}
