import GRPCCore
import LatchAPI
import Synchronization

/// Makes calls until one node answers, going from node to node.
final class Calls: Sendable {
    /// One attempt: a node's connection and the options to call it with.
    struct Attempt: Sendable {
        let endpoint: Endpoint
        let connection: NodeConnection
        let options: CallOptions
    }

    let settings: LatchSettings
    let channels: Channels
    private let rotation: Mutex<EndpointRotation>

    init(endpoints: [Endpoint], settings: LatchSettings) {
        self.settings = settings
        channels = Channels(settings: settings)
        let start = Int.random(in: 0..<max(1, endpoints.count))
        rotation = Mutex(EndpointRotation(endpoints, startingAt: start))
    }

    var endpoints: [Endpoint] { rotation.withLock { $0.endpoints } }

    func order(wanted: Endpoint? = nil) -> [Endpoint] {
        rotation.withLock { $0.order(wanted: wanted) }
    }

    func note(_ endpoint: Endpoint, failed: Bool) {
        rotation.withLock { failed ? $0.failed(endpoint) : $0.succeeded(endpoint) }
    }

    /// The connection to `endpoint`, with `timeout` for one call on it.
    func attempt(at endpoint: Endpoint, timeout: Duration?) throws -> Attempt {
        var options = CallOptions.defaults
        options.timeout = timeout
        options.waitForReady = false
        return Attempt(
            endpoint: endpoint, connection: try channels.client(for: endpoint), options: options)
    }

    /// How long and where a call is tried.
    struct Plan: Sendable {
        /// For all attempts together.
        var timeout: Duration
        /// For one node.
        var attemptTimeout: Duration
        var backoff: Backoff
        /// Asked first, each round.
        var wanted: Endpoint?
        /// The latch that the call changes under no request id, so that a repetition may be refused
        /// for what an earlier attempt did; nil: the same however often it is done.
        var unnumbered: LatchName?
    }

    var plan: Plan {
        Plan(
            timeout: settings.timeout, attemptTimeout: settings.attemptTimeout,
            backoff: settings.backoff)
    }

    /// Runs `body` against one node after the other until it returns. `body` must be
    /// safe to repeat.
    /// - Throws: ``LatchError`` when it cannot work or the time is over, `CancellationError`.
    func perform<Result: Sendable>(
        _ plan: Plan, _ body: @Sendable (Attempt) async throws -> Result
    ) async throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let deadline = start + plan.timeout
        var log = AttemptLog()
        var round = 0
        func summary() -> LatchError {
            log.summary(after: clock.now - start, isNumbered: plan.unnumbered == nil)
        }
        while true {
            var waiting = order(wanted: plan.wanted)
            while !waiting.isEmpty {
                try Task.checkCancellation()
                let endpoint = waiting.removeFirst()
                let remaining = deadline - clock.now
                guard remaining > .zero else { throw summary() }
                do {
                    let timeout = min(plan.attemptTimeout, remaining)
                    let result = try await body(try attempt(at: endpoint, timeout: timeout))
                    note(endpoint, failed: false)
                    return result
                } catch {
                    try Task.checkCancellation()
                    switch CallVerdict(error) {
                    case .cancelled: throw CancellationError()
                    case .fail(let refusal):
                        throw plan.unnumbered.map { log.judged(refusal, of: $0) } ?? refusal
                    case .retry(let code, let reason):
                        log.record(endpoint, code, reason, mayBeDone: mayBeDone(after: error))
                        note(endpoint, failed: true)
                    }
                }
            }
            let pause = plan.backoff.pause(afterRound: round, random: .random(in: 0..<1))
            round += 1
            guard clock.now + pause < deadline else { throw summary() }
            try await Task.sleep(for: pause, clock: clock)
        }
    }
}
