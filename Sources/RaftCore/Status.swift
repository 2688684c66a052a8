/// What a server tells about itself. Small on purpose: handing out the ``Raft`` would make its next
/// step copy it.
package struct Status: Sendable, Equatable {
    package var id: ServerID
    package var role: Role
    package var currentTerm: Term
    package var votedFor: ServerID?
    /// The leader of `currentTerm`, where it is known.
    package var leader: ServerID?
    package var commitIndex: LogIndex
    package var lastApplied: LogIndex
    package var lastLogIndex: LogIndex
    /// The first entry that is still in the log.
    package var firstLogIndex: LogIndex
    /// The last entry that is known to be on this server's disk.
    package var durableIndex: LogIndex
    package var snapshotIndex: LogIndex
    /// A leader with a commit in its own term: it can answer reads (thesis §6.4).
    package var isReadyToServe: Bool
    package var transferTarget: ServerID?
    /// For a leader: every other server, ascending.
    package var followers: [FollowerStatus]
}

/// How far a leader believes one follower to be.
package struct FollowerStatus: Sendable, Equatable {
    package enum Mode: Sendable, Equatable {
        /// Looking for the last entry that matches, one message at a time.
        case probe
        /// Sending entries without waiting for answers.
        case replicate
        /// Sending the snapshot: the log no longer holds the next entry.
        case snapshot
    }
    package var id: ServerID
    package var matchIndex: LogIndex
    package var nextIndex: LogIndex
    package var mode: Mode
    /// When its last message in this term came.
    package var lastHeard: Instant
    /// The link to it is known to be refused.
    package var isUnreachable: Bool
}

extension Raft {
    /// A copy of the numbers that hosts and people look at.
    package var status: Status {
        Status(
            id: id, role: role, currentTerm: currentTerm, votedFor: votedFor, leader: leader,
            commitIndex: commitIndex, lastApplied: lastApplied, lastLogIndex: log.lastIndex,
            firstLogIndex: log.firstIndex, durableIndex: persistence.durableIndex,
            snapshotIndex: log.snapshotIndex, isReadyToServe: isReadyToServe,
            transferTarget: leadership.transfer?.target,
            followers: followers.elements.map { id, follower in
                FollowerStatus(
                    id: id, matchIndex: follower.matchIndex, nextIndex: follower.nextIndex,
                    mode: follower.mode, lastHeard: follower.lastHeard,
                    isUnreachable: election.unreachable.contains(id))
            })
    }

    /// For a leader: up to where it knows the durable log of `server` to equal its own.
    package func matchIndex(of server: ServerID) -> LogIndex {
        guard let position = followers.position(of: server) else { return .zero }
        return followers[position].matchIndex
    }

    /// True for a leader that has committed an entry of its own term.
    package var isReadyToServe: Bool {
        role == .leader && commitIndex >= leadership.noOpIndex
    }

    /// True for a leader that is handing over: it takes no proposals and no reads.
    package var isTransferring: Bool { leadership.transfer != nil }
}
