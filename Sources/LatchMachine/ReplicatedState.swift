import HashTreeCollections

/// Everything that is equal on all servers at equal indexes, in structures whose copy is O(1).
struct ReplicatedState: Sendable {
    /// The high 16 bits of every entry number. Never goes back.
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
    /// snapshot beyond it is refused. So an index fits into its 48 bits of an entry number.
    static let highestSnapshotIndex: UInt64 = 1 << 47

    /// What the entry at `index` gives out, as the token of a grant or the id of a session: it
    /// grows with the index, and the incarnation never goes back, so for ever (I14). Not even a
    /// cluster that was restored from a backup gives a number again.
    func entryNumber(at index: UInt64) -> UInt64 {
        UInt64(incarnation) << 48 | Self.index(ofEntryNumber: index)
    }

    /// The index of the entry that gave out a number.
    static func index(ofEntryNumber number: UInt64) -> UInt64 { number & 0xFFFF_FFFF_FFFF }

    /// The session, if it is alive and belongs to this primitive (Clarified g).
    func session(_ id: SessionID, of primitive: PrimitiveName) -> Session? {
        guard let session = sessions[id], session.primitive == primitive else { return nil }
        return session
    }
}
