import HashTreeCollections

/// Everything that is equal on all servers at equal indexes, in structures whose copy is O(1).
struct ReplicatedState: Sendable {
    let incarnation: UInt16
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

    /// The token of a grant by the entry at `index`: it grows with the index, so for ever (I14).
    func fencingToken(at index: UInt64) -> UInt64 {
        UInt64(incarnation) << 48 | (index & 0xFFFF_FFFF_FFFF)
    }

    /// The session, if it is alive and belongs to this primitive (Clarified g).
    func session(_ id: SessionID, of primitive: PrimitiveName) -> Session? {
        guard let session = sessions[id], session.primitive == primitive else { return nil }
        return session
    }
}
