/// Where a participant stands.
public enum HoldState: Sendable, Hashable {
    /// In the queue. The holder has position 1, and is named if the node that was asked knows it.
    case waiting(position: Int, holder: String?)
    /// In charge.
    case holding(Grant)
    /// Not in the latch any more, and never again through this object.
    case lost(LossReason)
    /// Left on request.
    case left
}

/// Why a participant is not in charge, or not in the latch, any more.
public enum LossReason: Sendable, Hashable, CustomStringConvertible {
    /// The servers do not know the session: it expired, was closed, or the latch was deleted.
    case sessionEnded
    /// No keep-alive was acknowledged for a whole TTL, so the servers may have ended the session.
    case deadlinePassed
    /// The session lives, but the participant is not in the latch.
    case removed
    /// An operator took the participant out.
    case evicted
    /// The latch was handed to another participant; this one waits at the end of the line.
    case handedOver
    /// The latch was deleted.
    case deleted
    /// The cluster was restored from a backup, which ends every session of before.
    case restored
    /// This program left.
    case resigned
    /// A node refused for a reason that will not go away.
    case failed(String)

    /// In words.
    public var description: String {
        switch self {
        case .sessionEnded:
            "the session ended on the servers (it expired, or the latch was deleted)"
        case .deadlinePassed: "no keep-alive was acknowledged for a whole TTL"
        case .removed: "the participant was removed from the latch"
        case .evicted: "an operator took the participant out of the latch"
        case .handedOver: "the latch was handed over to another participant"
        case .deleted: "the latch was deleted"
        case .restored: "the cluster was restored from a backup"
        case .resigned: "the participant left"
        case .failed(let message): message
        }
    }
}
