/// The right to act, for a while: a fencing token and a deadline, never a mere flag.
///
/// Ask ``isValid`` right before each step that matters, and send ``fencingToken`` along with it.
/// The deadline counts on `ContinuousClock`, which goes on while the machine is suspended, from
/// *sending* the last acknowledged keep-alive, and comes a thousandth of the TTL (at least 1 ms)
/// early, for clocks that do not run at the same rate.
public struct Grant: Sendable {
    /// Send it with every write to what the latch protects, and refuse there any token smaller than
    /// the largest seen: only this makes a late write of a former holder harmless.
    public let fencingToken: UInt64
    /// The latch's count of grants.
    public let term: UInt64
    private let source: Source

    private enum Source: Sendable {
        case fixed(ContinuousClock.Instant)
        case belief(BeliefCell)
    }

    /// A grant whose deadline never moves: for tests of code that takes one.
    public init(fencingToken: UInt64, term: UInt64, deadline: ContinuousClock.Instant) {
        self.fencingToken = fencingToken
        self.term = term
        source = .fixed(deadline)
    }

    init(fencingToken: UInt64, term: UInt64, cell: BeliefCell) {
        self.fencingToken = fencingToken
        self.term = term
        source = .belief(cell)
    }

    /// Nobody else can hold the latch before this moment, unless an operator evicts the holder,
    /// hands the latch over, or deletes it. Each acknowledged keep-alive moves it into the future.
    /// Of a grant that is over it is a moment that has passed.
    public var deadline: ContinuousClock.Instant {
        switch source {
        case .fixed(let deadline): deadline
        case .belief(let cell): cell.deadline(of: fencingToken)
        }
    }

    /// Whether the right lasts at this moment. Once it is over it is over for good.
    public var isValid: Bool {
        switch source {
        case .fixed(let deadline): ContinuousClock.now < deadline
        case .belief(let cell): cell.holds(fencingToken)
        }
    }

    /// What is left until ``deadline``; zero once it has passed.
    public var remaining: Duration { max(.zero, deadline - .now) }

    /// Stops what cannot go on without the right.
    /// - Throws: ``LatchError`` (`grantLost`) if the right is over, `CancellationError` if the task
    ///   was cancelled.
    public func check() throws {
        try Task.checkCancellation()
        guard isValid else {
            throw LatchError(.grantLost, "the grant with token \(fencingToken) is over")
        }
    }
}

extension Grant: Hashable {
    /// Equal tokens are the same grant, wherever its deadline is.
    public static func == (left: Grant, right: Grant) -> Bool {
        left.fencingToken == right.fencingToken && left.term == right.term
    }

    /// See `==`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(fencingToken)
        hasher.combine(term)
    }
}

/// The former name of ``Grant``.
public typealias LatchGrant = Grant
