/// What the checker says of a history.
package enum Verdict: Sendable {
    /// Every claim holds.
    case linearizable(Statistics)
    /// A claim is broken, for certain.
    case violation(Report)
    /// Nothing is broken as far as was looked, but a part could not be decided within the budget.
    case undecided([String], Statistics)

    package var isViolation: Bool {
        switch self {
        case .violation: true
        case .linearizable, .undecided: false
        }
    }
}

/// A broken claim, for a person.
package struct Report: Sendable, CustomStringConvertible {
    /// The layer that found it.
    package enum Layer: String, Sendable {
        case scan = "property scan"
        case witness = "witness replay"
        case search = "black-box search"
    }

    package let layer: Layer
    /// The promise, and how it is broken.
    package let claim: String
    /// The operations that contradict it, in order of invocation.
    package let operations: [ClientOperation]

    package var description: String {
        (["\(layer.rawValue): \(claim)"] + operations.map { "    " + HistoryText.line($0) })
            .joined(separator: "\n")
    }
}

/// How much was looked at.
package struct Statistics: Sendable, Hashable {
    package var operations = 0
    /// Latches; each is searched alone.
    package var partitions = 0
    /// Partitions that the replay or the search gave up on.
    package var undecidedPartitions = 0
    /// Partitions that were searched to a decision, not only replayed.
    package var searchedPartitions = 0
    /// Nodes that the search visited.
    package var searchedNodes = 0

    /// Per million partitions.
    package var undecidedPerMillion: Int {
        partitions == 0 ? 0 : undecidedPartitions * 1_000_000 / partitions
    }
}

/// How much work the checker may do, and how strictly it reads clocks.
package struct Budget: Sendable {
    /// For the search over all latches together.
    package var search: Duration
    /// Memory for one latch's search, estimated, in bytes.
    package var searchBytes: Int
    /// Latches with more operations than this are only replayed, not searched; nil: none is
    /// searched.
    package var searchedOperations: Int?
    /// States that the replay may hold possible at once. It goes on without those that are too
    /// many; only where it then finds no explanation is it undecided.
    package var possibleStates: Int
    /// How much may be tried to explain one answer by what nobody saw, from all states together;
    /// the same holds if that is not enough.
    package var explanationTries: Int
    /// How much earlier than its timeout a session may end, in nanoseconds: the difference between
    /// the clients' clock and the cluster's. 0 where both are the same clock.
    package var expiryTolerance: UInt64

    package init(
        search: Duration = .seconds(60), searchBytes: Int = 1 << 29,
        searchedOperations: Int? = 50_000, possibleStates: Int = 1_024,
        explanationTries: Int = 20_000, expiryTolerance: UInt64 = 0
    ) {
        self.search = search
        self.searchBytes = searchBytes
        self.searchedOperations = searchedOperations
        self.possibleStates = possibleStates
        self.explanationTries = explanationTries
        self.expiryTolerance = expiryTolerance
    }

    package static let standard = Budget()
}
