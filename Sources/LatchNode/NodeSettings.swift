package import LatchMachine
package import RaftCore

/// The numbers a node runs with, beyond those of its Raft server. Times in milliseconds.
package struct NodeSettings: Sendable {
    package var server: ServerID
    package var members: [Member]
    package var raft = RaftSettings()
    /// The high 16 bits of fencing tokens, at least: the same on every member, raised only when a
    /// backup is restored.
    package var incarnation: UInt16 = 0
    /// Added for clients to find a new leader before any session may expire (log time).
    package var graceMilliseconds: UInt64 = 2_000
    /// A call that is not decided by then fails: not begun, or outcome unknown.
    package var requestTimeoutMilliseconds: UInt64 = 5_000
    /// A command held for a gap in its session's request ids waits this long (Q3).
    package var gapTimeoutMilliseconds: UInt64 = 1_000
    /// Keep-alives that arrive within this time become one entry.
    package var renewalDelayMilliseconds: UInt64 = 5
    /// Calls accepted and not yet answered, at most; more are refused as overloaded.
    package var maximumPendingCalls = 50_000
    /// Events streams served by this node, at most.
    package var maximumSubscribers = 50_000
    /// Observers of latches served by this node, at most.
    package var maximumObservers = 20_000
    /// Take a snapshot once this many entries were applied since the last one.
    package var snapshotEveryEntries: UInt64 = 50_000
    /// Members compare the digests of their states at multiples of this index (I8).
    package var digestEveryEntries: UInt64 = 1_024
    /// The bounds of replicated state: the same on every member.
    package var limits = Limits.standard
    /// Milliseconds since 1970. Stamped into entries for people to read; it decides nothing.
    package var wallClock: @Sendable () -> UInt64 = WallClock.now

    package init(server: ServerID, members: [Member]) {
        self.server = server
        self.members = members
    }
}

/// One member of the cluster as the configuration names it.
package struct Member: Sendable, Equatable {
    package let id: ServerID
    package let peerHost: String
    package let peerPort: Int
    /// Where clients reach this member, dialable as it stands.
    package let clientHost: String
    package let clientPort: Int

    package init(id: ServerID, peerHost: String, peerPort: Int, clientHost: String, clientPort: Int)
    {
        self.id = id
        self.peerHost = peerHost
        self.peerPort = peerPort
        self.clientHost = clientHost
        self.clientPort = clientPort
    }
}
