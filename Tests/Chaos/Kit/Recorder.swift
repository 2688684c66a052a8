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
        var done: [String: Int] = [:]
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
            if let reason = Self.reason(of: error) {
                self = Self.meaning(of: reason)
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

        private static func reason(of error: any Error) -> String? {
            (error as? AtomixFailure)?.reason ?? (error as? RPCError)?.reason
        }

        private static func meaning(of reason: String) -> Failure {
            switch reason {
            case "unknown-session": .outcome(.unknownSession)
            case "token-moved": .outcome(.denied(.tokenMoved))
            case "no-such-participant", "no-such-latch": .outcome(.denied(.noSuchParticipant))
            case "no-leader", "overloaded", "gap", "invalid": .outcome(.refused(reason: reason))
            default: .unknown  // default: open set (reasons that leave the outcome open)
            }
        }
    }

    /// Makes one attempt and records it; nil if it did not succeed or the session is over, and
    /// then the outcome that is known.
    ///
    /// - Parameter shown: the latch that the answer shows beside the outcome, as it was at some
    ///   moment between call and answer: a read of its own.
    func attempt<Answer: Sendable>(
        _ call: Call, client: Int, node: Int,
        _ body: () async throws -> Answer,
        outcome: (Answer) -> (Outcome, index: UInt64?),
        shown: (Answer) -> (view: LatchView, index: UInt64)? = { _ in nil }
    ) async -> (answer: Answer?, outcome: Outcome?) {
        let invoked = now()
        do {
            let answer = try await body()
            let returned = now()
            let (result, index) = outcome(answer)
            record(call, client, node, invoked, returned, result, index)
            if let (view, index) = shown(answer) {
                let read = Call.read(latch: call.latch, session: nil)
                append(read, client, node, invoked, returned, .state(view), index)
            }
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
        append(call, client, node, invoked, returned, outcome, index)
        state.withLock { $0.count(call, outcome, at: returned) }
    }

    /// Without counting it: it is no call of its own.
    private func append(
        _ call: Call, _ client: Int, _ node: Int, _ invoked: UInt64, _ returned: UInt64?,
        _ outcome: Outcome?, _ index: UInt64?
    ) {
        state.withLock { state in
            state.operations.append(
                ClientOperation(
                    id: state.operations.count, client: client, node: node, invoked: invoked,
                    returned: returned, call: call, outcome: outcome,
                    index: index == 0 ? nil : index))
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
                unknown: $0.unknown, refused: $0.refused, done: $0.done,
                longestSilenceMilliseconds: Int($0.longestSilence / 1_000_000))
        }
    }

    package struct Figures: Sendable {
        /// Calls and what their answers show besides.
        package let operations: Int
        package let acknowledged: Int
        package let unknown: Int
        package let refused: Int
        /// How many calls of each verb did what they were asked.
        package let done: [String: Int]
        package let longestSilenceMilliseconds: Int

        package func acknowledgedPerSecond(over working: Duration) -> Int {
            Int(Double(acknowledged) / max(0.001, working / .seconds(1)))
        }
    }
}

extension Recorder.State {
    fileprivate mutating func count(_ call: Call, _ outcome: Outcome?, at returned: UInt64?) {
        switch outcome {
        case nil:
            unknown += 1
            recentFailures += 1
        case .denied:
            refused += 1
        case .refused, .unknownSession:
            refused += 1
            recentFailures += 1
        case .opened, .alive, .closed, .state, .done, .streamOpened, .streamClosed:
            acknowledged += 1
            recentAcknowledged += 1
            done[call.verb, default: 0] += 1
            guard let returned else { return }
            if acknowledged > 1 {
                let silence = returned > lastAcknowledged ? returned - lastAcknowledged : 0
                longestSilence = max(longestSilence, silence)
            }
            lastAcknowledged = max(lastAcknowledged, returned)
        }
    }
}

extension Call {
    /// What it asks for, in a word for people.
    fileprivate var verb: String {
        switch self {
        case .openSession: "open"
        case .keepAlive: "keep-alive"
        case .closeSession: "close"
        case .deleteLatch: "delete"
        case .join: "join"
        case .leave: "leave"
        case .handOver(_, nil, _, _, _): "operator's hand-over"
        case .handOver: "hand-over"
        case .publish: "publish"
        case .evict: "evict"
        case .read: "read"
        case .frame: "frame"
        }
    }
}
