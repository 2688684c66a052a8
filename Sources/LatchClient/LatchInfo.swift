import LatchAPI

/// A latch as it was at one moment.
public struct LatchInfo: Sendable, Hashable {
    /// The namespace that the latch is in.
    public let namespace: String
    /// The latch's name.
    public let name: String
    /// Counts grants: one more whenever a participant becomes the holder. Starts again when the
    /// latch is deleted.
    public let term: UInt64
    /// The participant that holds the latch; nil when nobody does.
    public let holder: String?
    /// In order of arrival, the holder first.
    public let participants: [String]
    /// The token of the last grant; only ever grows. 0 before the first grant; nil if it is not
    /// known.
    public let fencingToken: UInt64?
    /// What the holder published under its token; empty: nothing.
    public let value: String
    /// The session of each participant, in the order of ``participants``.
    public let sessionIDs: [UInt64]
    /// The log index at which the latch was like this, or a later one at which it still was.
    public let index: UInt64
    /// Of a stale read: how long ago the node that answered last heard from a leader, so how old
    /// the rest may be. Nil for a linearizable read, and if the node never heard from one.
    public let age: Duration?

    /// A latch from its parts.
    public init(
        namespace: String, name: String, term: UInt64, holder: String?, participants: [String],
        fencingToken: UInt64?, value: String = "", sessionIDs: [UInt64] = [], index: UInt64,
        age: Duration? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.term = term
        self.holder = holder
        self.participants = participants
        self.fencingToken = fencingToken
        self.value = value
        self.sessionIDs = sessionIDs
        self.index = index
        self.age = age
    }

    init(_ entry: Latchd_V1_LatchEntry, index: UInt64, age: Duration? = nil) {
        self.init(
            LatchName(namespace: entry.namespace, name: entry.name), entry.state, index: index,
            age: age)
    }

    init(
        _ name: LatchName, _ state: Latchd_V1_LatchState, index: UInt64, age: Duration? = nil
    ) {
        self.init(
            namespace: name.namespace, name: name.name, term: state.term,
            holder: state.hasHolder ? state.holder : nil, participants: state.participants,
            fencingToken: state.fencingToken, value: state.value, sessionIDs: state.sessionIds,
            index: index, age: age)
    }
}

/// One page of a list of latches.
public struct LatchPage: Sendable, Hashable {
    /// In byte order of namespace, then name.
    public let latches: [LatchInfo]
    /// Pass it to get the next page; nil on the last one.
    public let nextPageToken: String?
    /// The log index that the page shows.
    public let index: UInt64
}
