import LatchAPI

/// One stay of one participant at the head of a latch: a line of the latch's ledger.
public struct LatchTerm: Sendable, Hashable {
    /// The latch's count of grants.
    public let term: UInt64
    /// The token of the grant.
    public let fencingToken: UInt64
    /// Who held the latch.
    public let holder: String
    /// The session of the holder.
    public let sessionID: UInt64
    /// Why and when it began.
    public let began: Edge
    /// Why and when it ended; nil while it lasts.
    public let ended: Edge?
    /// Log time between the last sign of life of the holder before and this grant, or since the
    /// latch was left empty. Zero for the first term.
    public let gap: Duration
    /// How long the holder before may have gone on believing that it holds, at most: zero unless it
    /// was thrown out (evicted, handed over by an operator).
    public let overlapBound: Duration
    /// A chain over all terms of the latch: it tells damage.
    public let chain: UInt64

    /// The beginning or the end of a term.
    public struct Edge: Sendable, Hashable {
        /// Why it came to pass.
        public let cause: Cause
        /// The log entry that did it.
        public let index: UInt64
        /// The Raft term of the leader that wrote the entry.
        public let raftTerm: UInt64
        /// The leader's log time: it stands still while there is no leader.
        public let logTime: Duration
        /// The leader's wall clock since 1970, for people; nil where it is not known.
        public let wallTime: Duration?

        init(_ edge: Latchd_V1_TermEdge) {
            cause = Cause(edge.cause)
            index = edge.index
            raftTerm = edge.raftTerm
            logTime = .milliseconds(edge.logTimeMs)
            wallTime = edge.wallTimeMs == 0 ? nil : .milliseconds(edge.wallTimeMs)
        }
    }

    /// Why a term began or ended.
    public enum Cause: String, Sendable, Hashable {
        /// The latch was empty and somebody joined.
        case joined
        /// The holder left.
        case resigned
        /// The holder's session was closed.
        case closed
        /// The holder's session was not renewed in time.
        case expired
        /// An operator took the participant out.
        case evicted
        /// The latch was handed over.
        case handedOver
        /// The latch was deleted.
        case deleted
        /// The cluster was restored from a backup.
        case restored
        /// A cause that this version does not know.
        case unknown

        init(_ cause: Latchd_V1_Cause) {
            self =
                switch cause {
                case .joined: .joined
                case .resigned: .resigned
                case .closed: .closed
                case .expired: .expired
                case .evicted: .evicted
                case .handedOver: .handedOver
                case .deleted: .deleted
                case .restored: .restored
                case .unspecified, .UNRECOGNIZED: .unknown
                }
        }
    }

    init(_ term: Latchd_V1_Term) {
        self.term = term.term
        fencingToken = term.fencingToken
        holder = term.holder
        sessionID = term.sessionID
        began = Edge(term.began)
        ended = term.hasEnded ? Edge(term.ended) : nil
        gap = .milliseconds(term.gapMs)
        overlapBound = .milliseconds(term.overlapBoundMs)
        chain = term.chain
    }
}

/// The ledger of one latch, as far as the servers keep it.
public struct LatchHistory: Sendable, Hashable {
    /// Oldest first; the last one may still be open.
    public let terms: [LatchTerm]
    /// Terms were dropped before the first of these: only the newest 64 are kept.
    public let isTruncated: Bool
    /// The log index that this shows.
    public let index: UInt64
}

/// What the cluster says of a fencing token.
public struct TokenCheck: Sendable, Hashable {
    /// Where a token stands.
    public enum Verdict: String, Sendable, Hashable {
        /// The latch is held under this token.
        case current
        /// A later grant has happened, or the holder is out.
        case outdated
        /// The latch never granted this token.
        case unknown
    }

    /// Where the token stands.
    public let verdict: Verdict
    /// The token of the last grant; 0 if there was none.
    public let currentToken: UInt64
    /// The log index that this shows.
    public let index: UInt64
}

extension Duration {
    /// Saturates where `Duration` ends.
    static func milliseconds(_ count: UInt64) -> Duration {
        .milliseconds(Int64(clamping: count))
    }
}
