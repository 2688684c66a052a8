/// Everything that can happen to a server.
package enum Input: Sendable, Equatable {
    /// A message from another server. Bad ones are ignored with a ``Decision``, never trapped on.
    case received(Message)
    /// `deadline` has passed (or the host woke up early, which is harmless).
    case timerFired
    /// The disk has made this ``Persist`` and all before it durable.
    case persisted(PersistID)
    /// Commands for the log, in this order.
    case propose([Proposal])
    /// A batch of linearizable reads: one quorum round for all of them.
    case read(ReadID)
    /// The host has encoded the machine's state after `lastIncludedIndex`, which was applied
    /// earlier.
    case snapshotTaken(Snapshot)
    /// Hand leadership to this server, or to the most up-to-date one (thesis §3.10).
    case transferLeadership(to: ServerID?)
    /// The link to this server closed and a reconnect was refused: evidence that its process is
    /// gone. It hastens an election; safety never rests on it.
    case peerUnreachable(ServerID)
    /// The link to this server is up (again): resume sending at once.
    case peerReachable(ServerID)
}

/// One command for the log.
package struct Proposal: Sendable, Equatable {
    package let id: ProposalID
    package let payload: [UInt8]
    package init(id: ProposalID, payload: [UInt8]) {
        self.id = id
        self.payload = payload
    }
}
