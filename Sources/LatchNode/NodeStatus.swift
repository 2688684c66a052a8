package import RaftCore

/// A small picture of the node, published after each turn for status pages, health checks and
/// metrics.
package struct NodeStatus: Sendable {
    package var raft: Status
    package var sessions: Int
    package var primitives: Int
    package var subscribers: Int
    package var pendingCalls: Int
    package var lastApplied: UInt64
    package var logTimeMilliseconds: UInt64
    package var digest: UInt64
    /// Milliseconds since the node started.
    package var uptimeMilliseconds: UInt64
    /// Peers with a working outbound link.
    package var connectedPeers: [ServerID]
    package var readiness: Readiness
    /// The moment of this picture, on the clock of `raft.followers`' `lastHeard`.
    package var moment: Instant
}
