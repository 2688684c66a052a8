/// One member of the cluster, as named in the configuration. Zero is never a server.
package struct ServerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt16
    package init(_ rawValue: UInt16) { self.rawValue = rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { "\(rawValue)" }
}

/// A period with at most one leader (paper §5.1). Term 0 is before the first election.
package struct Term: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let zero = Term(0)
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package func next() -> Term { Term(rawValue + 1) }
    package var description: String { "\(rawValue)" }
}

/// A position in the log (Figure 2). The first entry has index 1; 0 is before it.
package struct LogIndex: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static let zero = LogIndex(0)
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package func next() -> LogIndex { LogIndex(rawValue + 1) }
    /// The index before this one; the index before 0 is 0.
    package func previous() -> LogIndex { LogIndex(rawValue == 0 ? 0 : rawValue - 1) }
    package func advanced(by distance: Int) -> LogIndex { LogIndex(rawValue + UInt64(distance)) }
    package var description: String { "\(rawValue)" }
}

/// A moment on the host's monotonic clock, in milliseconds from an arbitrary zero. Never wall time.
package struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let milliseconds: UInt64
    package init(milliseconds: UInt64) { self.milliseconds = milliseconds }
    package static func < (left: Self, right: Self) -> Bool {
        left.milliseconds < right.milliseconds
    }
    package func advanced(byMilliseconds distance: UInt64) -> Instant {
        let (sum, overflow) = milliseconds.addingReportingOverflow(distance)
        return Instant(milliseconds: overflow ? .max : sum)
    }
    /// The milliseconds from `earlier` to this moment; 0 if `earlier` is later.
    package func milliseconds(since earlier: Instant) -> UInt64 {
        milliseconds > earlier.milliseconds ? milliseconds - earlier.milliseconds : 0
    }
    package var description: String { "\(milliseconds)" }
}

/// Names one batch handed to the disk. Each is one more than the one before.
package struct PersistID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    package var description: String { "\(rawValue)" }
}

/// The host's own name for one proposal; unique while the process lives.
package struct ProposalID: Hashable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The host's own name for one batch of linearizable reads; unique while the process lives.
package struct ReadID: Hashable, Sendable {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
}
