/// Why a call did not do what was asked.
public struct LatchError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: String, Sendable {
        /// The arguments can never work: a bad address, a name that is too long, a TTL
        /// out of range.
        case invalidArgument
        /// No such latch, or no such participant of it.
        case notFound
        /// No node answered in time. A node that was asked may still do it.
        case unreachable
        /// Nodes answered, but the cluster has no leader (no quorum). Those that say so did
        /// nothing; one of ``LatchError/attempts`` that did not answer in time may still.
        case noLeader
        /// A bound of the cluster is reached. The nodes that say so did nothing.
        case overloaded
        /// The command may or may not have been applied.
        case outcomeUnknown
        /// The session is gone: it expired, was closed, or its latch was deleted.
        case sessionLost
        /// The node refused for another reason, which the message says.
        case refused
        /// The right to act is over: the grant's deadline passed, or the latch was lost.
        case grantLost
        /// The fencing token is not that of the current grant: somebody holds the latch after it.
        case tokenMoved
        /// The latch was not granted within the time that the caller gave it.
        case waitedTooLong
        /// This client was shut down.
        case shutDown
    }

    /// One node that was asked and what came of it.
    public struct Attempt: Sendable, Hashable, CustomStringConvertible {
        /// The node that was asked.
        public let endpoint: Endpoint
        /// What went wrong, in words.
        public let reason: String

        /// `host:port: reason`.
        public var description: String { "\(endpoint): \(reason)" }
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened, in words.
    public let message: String
    /// The last failure of each node that was asked, in the order in which they were first asked.
    public let attempts: [Attempt]

    init(_ code: Code, _ message: String, attempts: [Attempt] = []) {
        self.code = code
        self.message = message
        self.attempts = attempts
    }

    /// The message, and what each node said.
    public var description: String {
        attempts.isEmpty
            ? message
            : message + " (" + attempts.map(\.description).joined(separator: "; ") + ")"
    }
}

/// The failures of one call, one line a node. That the outcome is unknown is never forgotten: no
/// later answer than success makes it known.
struct AttemptLog: Sendable {
    private(set) var attempts: [LatchError.Attempt] = []
    private var codes: [Endpoint: LatchError.Code] = [:]
    private var isOutcomeUnknown = false
    /// An attempt that failed may have done it, or may do it yet.
    private var mayBeDone = false

    mutating func record(
        _ endpoint: Endpoint, _ code: LatchError.Code, _ reason: String, mayBeDone: Bool = false
    ) {
        let attempt = LatchError.Attempt(endpoint: endpoint, reason: reason)
        if let place = attempts.firstIndex(where: { $0.endpoint == endpoint }) {
            attempts[place] = attempt
        } else {
            attempts.append(attempt)
        }
        codes[endpoint] = code
        if code == .outcomeUnknown { isOutcomeUnknown = true }
        if mayBeDone { self.mayBeDone = true }
    }

    /// The final refusal of a call that has no request id. What was asked for is found done, or its
    /// grant over, also when an earlier attempt did it and its answer was lost.
    func judged(_ refusal: LatchError, of name: LatchName) -> LatchError {
        guard mayBeDone, refusal.code == .notFound || refusal.code == .tokenMoved else {
            return refusal
        }
        return LatchError(
            .outcomeUnknown,
            """
            \(refusal.message), but an earlier attempt, of which no answer came, may have done it; \
            latchctl history \(name.name) and latchctl queue \(name.name) show what is
            """, attempts: attempts)
    }

    /// The most telling of the failures: a node that answered knows more than one that did not. Of
    /// a call without a request id any attempt that may have done it tells the most.
    func summary(after elapsed: Duration, isNumbered: Bool = true) -> LatchError {
        let order: [LatchError.Code] = [.overloaded, .noLeader, .refused]
        let code =
            isOutcomeUnknown || !isNumbered && mayBeDone
            ? .outcomeUnknown : order.first { codes.values.contains($0) } ?? .unreachable
        let time = milliseconds(elapsed)
        let text =
            switch code {
            case .outcomeUnknown: "no node could say within \(time) ms whether it was done"
            case .overloaded: "the cluster is overloaded: refused for \(time) ms"
            case .noLeader: "the cluster had no leader for \(time) ms"
            case .refused: "no node could do it within \(time) ms"
            case .invalidArgument, .notFound, .unreachable, .sessionLost, .grantLost,
                .tokenMoved, .waitedTooLong, .shutDown:
                "no node answered within \(time) ms"
            }
        return LatchError(code, text, attempts: attempts)
    }
}

/// Whole milliseconds, rounded down; saturating.
package func milliseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    let (sum, overflow2) = whole.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    return overflow2 ? (seconds < 0 ? .min : .max) : sum
}

extension LatchError {
    /// The same may work later, without a change of arguments.
    var mayPass: Bool {
        switch code {
        case .unreachable, .noLeader, .overloaded, .outcomeUnknown, .refused, .sessionLost,
            .notFound, .grantLost, .tokenMoved, .waitedTooLong:
            true
        case .invalidArgument, .shutDown: false
        }
    }
}
