package import RaftCore

/// Everything one node says to another after the handshake.
package enum PeerFrame: Hashable, Sendable {
    case raft(Message)
    /// Commands of the sender's clients for the leader's log.
    case proposals(ForwardedProposals)
    /// Some of them were not appended, and never will be from that frame.
    case proposalsRefused(RefusedProposals)
    /// Asks the leader for a read index (thesis §6.4) on behalf of a batch of the sender's reads.
    case readIndexRequest(number: UInt64)
    case readIndexReply(ReadIndexReply)
    /// The sender's state digest after applying the entry at `index`; equal on every node, or one
    /// must halt (I8).
    case stateDigest(index: LogIndex, digest: UInt64)
}

/// A batch of commands. The leader appends them only while its `currentTerm` is `term`,
/// so that a command of a term that is over can be known never to enter the log.
package struct ForwardedProposals: Hashable, Sendable {
    package let term: Term
    package let proposals: [Proposal]
    package init(term: Term, proposals: [Proposal]) {
        self.term = term
        self.proposals = proposals
    }

    package struct Proposal: Hashable, Sendable {
        /// The sender's number for the waiting call.
        package let number: UInt64
        package let command: [UInt8]
        package init(number: UInt64, command: [UInt8]) {
            self.number = number
            self.command = command
        }
    }
}

package struct RefusedProposals: Hashable, Sendable {
    package enum Reason: UInt8, Hashable, Sendable, CaseIterable {
        case notLeader = 1
        case otherTerm = 2
        case overloaded = 3
        case transferringLeadership = 4
        /// The bytes are no command that the leader knows.
        case notACommand = 5
    }
    package let reason: Reason
    /// The term of the ``ForwardedProposals`` that is answered.
    package let term: Term
    package let numbers: [UInt64]
    package init(reason: Reason, term: Term, numbers: [UInt64]) {
        self.reason = reason
        self.term = term
        self.numbers = numbers
    }
}

package struct ReadIndexReply: Hashable, Sendable {
    package let number: UInt64
    /// The index to apply before answering; nil if the sender could not confirm that it leads.
    package let index: LogIndex?
    package init(number: UInt64, index: LogIndex?) {
        self.number = number
        self.index = index
    }
}
