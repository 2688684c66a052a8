/// The right to act, for a while.
public struct LatchGrant: Sendable, Hashable {
    /// Send it with every write to what the latch protects, and refuse there any token smaller than
    /// the largest seen: only this makes a late write of a former holder harmless.
    public let fencingToken: UInt64
    /// The latch's count of grants.
    public let term: UInt64
    /// Nobody else can hold the latch before this moment, unless the latch is deleted. Keep-alives
    /// move it; read ``LatchHold/deadline`` for where it is now.
    public let deadline: ContinuousClock.Instant
}

/// Where a participant stands.
public enum HoldState: Sendable, Hashable {
    /// In the queue. The holder has position 1.
    case waiting(position: Int, holder: String?)
    /// In charge.
    case holding(LatchGrant)
    /// Not in the latch any more, and never again through this object.
    case lost(LossReason)
    /// Left on request.
    case left
}

/// Why a participant is not in the latch any more.
public enum LossReason: Sendable, Hashable, CustomStringConvertible {
    /// The servers do not know the session: it expired, or the latch was deleted.
    case sessionEnded
    /// No keep-alive was acknowledged for a whole TTL, so the servers may have ended the session.
    case deadlinePassed
    /// The session lives, but the participant is not in the latch.
    case removed
    /// A node refused for a reason that will not go away.
    case failed(String)

    /// In words.
    public var description: String {
        switch self {
        case .sessionEnded:
            "the session ended on the servers (it expired, or the latch was deleted)"
        case .deadlinePassed: "no keep-alive was acknowledged for a whole TTL"
        case .removed: "the participant was removed from the latch"
        case .failed(let message): message
        }
    }
}
