import ClusterHarness
import GRPCCore
package import HistoryChecker
import Synchronization

/// Writes down every call of every client, on one monotonic clock.
package final class Recorder: Sendable {
    fileprivate struct State {
        var operations: [ClientOperation] = []
        var acknowledged = 0
        var unknown = 0
        var refused = 0
        /// Failures and acknowledgements since they were last taken, for the timeline.
        var recentFailures = 0
        var recentAcknowledged = 0
        var lastAcknowledged: UInt64 = 0
        var longestSilence: UInt64 = 0
    }

    private let start = ContinuousClock.now
    private let state = Mutex(State())

    package init() {}

    /// Nanoseconds since the recording began.
    package func now() -> UInt64 {
        UInt64(clamping: Int64((ContinuousClock.now - start) / .nanoseconds(1)))
    }

    /// What an attempt that failed says of its outcome.
    enum Failure {
        /// It never left the client.
        case notSent
        case outcome(Outcome)
        case unknown

        init(_ error: any Error) {
            if let failure = error as? AtomixFailure {
                switch failure.reason {
                case "unknown-session": self = .outcome(.unknownSession)
                case "no-leader", "overloaded", "gap", "invalid":
                    self = .outcome(.refused(reason: failure.reason))
                default:  // default: open set (reasons that leave the outcome open)
                    self = .unknown
                }
            } else if let error = error as? RPCError, error.code == .unavailable,
                // What grpc-swift says when it had no connection to send the call on.
                error.message.contains("hannel isn't ready")
                    || error.message.contains("'wait for ready' isn't enabled")
            {
                self = .notSent
            } else {
                self = .unknown
            }
        }
    }

    /// Makes one attempt and records it; nil if it did not succeed or the session is over, and
    /// then the outcome that is known.
    func attempt<Answer: Sendable>(
        _ call: Call, client: Int, node: Int,
        _ body: () async throws -> Answer,
        outcome: (Answer) -> (Outcome, index: UInt64?)
    ) async -> (answer: Answer?, outcome: Outcome?) {
        let invoked = now()
        do {
            let answer = try await body()
            let (result, index) = outcome(answer)
            record(call, client, node, invoked, now(), result, index)
            return (answer, result)
        } catch {
            switch Failure(error) {
            case .notSent:
                state.withLock { $0.recentFailures += 1 }
                return (nil, nil)
            case .outcome(let result):
                record(call, client, node, invoked, now(), result, nil)
                return (nil, result)
            case .unknown:
                record(call, client, node, invoked, nil, nil, nil)
                return (nil, nil)
            }
        }
    }

    func record(
        _ call: Call, _ client: Int, _ node: Int, _ invoked: UInt64, _ returned: UInt64?,
        _ outcome: Outcome?, _ index: UInt64?
    ) {
        state.withLock { state in
            state.operations.append(
                ClientOperation(
                    id: state.operations.count, client: client, node: node, invoked: invoked,
                    returned: returned, call: call, outcome: outcome,
                    index: index == 0 ? nil : index))
            state.count(outcome, at: returned)
        }
    }

    /// Failures and acknowledgements since this was last asked.
    func takeRecent() -> (failures: Int, acknowledged: Int) {
        state.withLock { state in
            defer { (state.recentFailures, state.recentAcknowledged) = (0, 0) }
            return (state.recentFailures, state.recentAcknowledged)
        }
    }

    package var history: [ClientOperation] { state.withLock { $0.operations } }
    package var acknowledged: Int { state.withLock { $0.acknowledged } }

    /// Numbers for the verdict.
    package var figures: Figures {
        state.withLock {
            Figures(
                operations: $0.operations.count, acknowledged: $0.acknowledged,
                unknown: $0.unknown, refused: $0.refused,
                longestSilenceMilliseconds: Int($0.longestSilence / 1_000_000))
        }
    }

    package struct Figures: Sendable {
        package let operations: Int
        package let acknowledged: Int
        package let unknown: Int
        package let refused: Int
        package let longestSilenceMilliseconds: Int
    }
}

extension Recorder.State {
    fileprivate mutating func count(_ outcome: Outcome?, at returned: UInt64?) {
        switch outcome {
        case nil:
            unknown += 1
            recentFailures += 1
        case .refused, .denied, .unknownSession:
            refused += 1
            recentFailures += 1
        case .opened, .alive, .closed, .state, .done, .streamOpened, .streamClosed:
            acknowledged += 1
            recentAcknowledged += 1
            guard let returned else { return }
            if acknowledged > 1 {
                let silence = returned > lastAcknowledged ? returned - lastAcknowledged : 0
                longestSilence = max(longestSilence, silence)
            }
            lastAcknowledged = max(lastAcknowledged, returned)
        }
    }
}
