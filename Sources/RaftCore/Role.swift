/// What a server is in its term (Figure 4; `preCandidate` from thesis §9.6).
package enum Role: Sendable, Equatable, CustomStringConvertible {
    case follower
    /// Asks whether it could win an election, without touching any term.
    case preCandidate
    case candidate
    case leader

    package var description: String {
        switch self {
        case .follower: "follower"
        case .preCandidate: "pre-candidate"
        case .candidate: "candidate"
        case .leader: "leader"
        }
    }
}

/// Why a server cannot start from what its disk holds.
package enum RestoreFailure: Error, Equatable, Sendable, CustomStringConvertible {
    case notAMember(ServerID)
    /// The entries have gaps, falling terms, or do not join the snapshot.
    case brokenLog
    /// The last entry's term is higher than `currentTerm`, which is always written first.
    case termBehindLog
    /// A term or an index is beyond anything a cluster can reach.
    case absurdValue

    package var description: String {
        switch self {
        case .notAMember(let id): "server \(id) is not among the configured members"
        case .brokenLog:
            "the stored log is broken: it has a gap, a falling term, or does not join the snapshot"
        case .termBehindLog: "the stored term is lower than that of the last stored entry"
        case .absurdValue: "a stored term or index is absurdly large"
        }
    }

    /// - Throws: `absurdValue` if arithmetic on the state's numbers might overflow.
    static func check(_ state: PersistentState) throws(RestoreFailure) {
        var numbers: [UInt64] = [state.currentTerm.rawValue]
        for entry in [state.entries.first, state.entries.last] {
            guard let entry else { continue }
            numbers += [entry.index.rawValue, entry.term.rawValue]
        }
        if let snapshot = state.snapshot {
            numbers += [snapshot.lastIncludedIndex.rawValue, snapshot.lastIncludedTerm.rawValue]
        }
        guard numbers.allSatisfy({ $0 <= Raft.largestPlausible }) else { throw .absurdValue }
    }
}
