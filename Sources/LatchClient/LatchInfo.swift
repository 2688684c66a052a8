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
    /// The token of the last grant; only ever grows. 0 before the first grant; nil if it could not
    /// be read (watch only).
    public let fencingToken: UInt64?
    /// The log index at which the latch was like this, or a later one at which it still was.
    public let index: UInt64

    /// A latch from its parts.
    public init(
        namespace: String, name: String, term: UInt64, holder: String?, participants: [String],
        fencingToken: UInt64?, index: UInt64
    ) {
        self.namespace = namespace
        self.name = name
        self.term = term
        self.holder = holder
        self.participants = participants
        self.fencingToken = fencingToken
        self.index = index
    }

    init(_ entry: Latchd_V1_LatchEntry, index: UInt64) {
        self.init(
            namespace: entry.namespace, name: entry.name, term: entry.state.term,
            holder: entry.state.hasHolder ? entry.state.holder : nil,
            participants: entry.state.participants, fencingToken: entry.state.fencingToken,
            index: index)
    }

    init(_ name: LatchName, _ latch: Atomix_Leader_Latch, token: UInt64?, index: UInt64) {
        self.init(
            namespace: name.namespace, name: name.name, term: latch.id,
            holder: latch.participants.isEmpty ? nil : latch.leader,
            participants: latch.participants, fencingToken: token, index: index)
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
