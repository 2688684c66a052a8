import HashTreeCollections

/// Everything that is equal on all servers at equal indexes, in structures whose copy is O(1).
struct ReplicatedState: Sendable {
    /// The high 16 bits of every fencing token. Never goes back.
    var incarnation: UInt16
    var lastApplied: UInt64 = 0
    var time = LogTime()
    var digest = RollingDigest()
    var sessions: TreeDictionary<SessionID, Session> = [:]
    var primitives: TreeDictionary<PrimitiveName, Primitive> = [:]
    /// The keys of `primitives`, in order: nothing iterates over a hash table.
    var names = SortedChunks<PrimitiveName>()

    init(incarnation: UInt16) {
        self.incarnation = incarnation
    }

    /// No log gets past this index: at a million entries a second it takes four years, and a
    /// snapshot beyond it is refused. So an index fits into its 48 bits of a token.
    static let highestSnapshotIndex: UInt64 = 1 << 47

    /// The token of a grant by the entry at `index`: it grows with the index, and the incarnation
    /// never goes back, so for ever (I14).
    func fencingToken(at index: UInt64) -> UInt64 {
        UInt64(incarnation) << 48 | Self.index(ofToken: index)
    }

    /// The index of the entry that granted a token.
    static func index(ofToken token: UInt64) -> UInt64 { token & 0xFFFF_FFFF_FFFF }

    /// The session, if it is alive and belongs to this primitive (Clarified g).
    func session(_ id: SessionID, of primitive: PrimitiveName) -> Session? {
        guard let session = sessions[id], session.primitive == primitive else { return nil }
        return session
    }
}
