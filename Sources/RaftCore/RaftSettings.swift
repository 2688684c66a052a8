/// The numbers a server runs with. Times are in milliseconds, sizes in bytes.
package struct RaftSettings: Sendable, Equatable {
    /// A follower campaigns after a silence drawn evenly from this range (§5.2).
    package var electionTimeoutMilliseconds: ClosedRange<UInt64> = 300...600
    package var heartbeatIntervalMilliseconds: UInt64 = 50
    /// With evidence that the leader's process is gone, campaign after this delay times the
    /// server's rank (its position among the members), plus a random part of it.
    package var unreachableLeaderDelayMilliseconds: UInt64 = 8
    /// Entries in one AppendEntries, at most.
    package var maximumEntriesPerAppend = 2_048
    /// Payload bytes in one AppendEntries, at most (one entry may exceed it alone).
    package var maximumBytesPerAppend = 1 << 20
    /// Payload bytes sent to one follower and not yet acknowledged: at this many, no more is sent.
    package var maximumInFlightBytes = 8 << 20
    /// AppendEntries with entries sent to one follower and not yet acknowledged, at most.
    package var maximumInFlightAppends = 64
    /// Payload bytes in the leader's log past `commitIndex`, or not on its own disk, at most, or
    /// one proposal; more are refused as overloaded.
    package var maximumUncommittedBytes = 64 << 20
    package var snapshotChunkBytes = 256 << 10
    /// Entries kept before the snapshot's index for followers that are only a little behind.
    package var entriesKeptBehindSnapshot = 10_000

    package init() {}
}

/// The voting members: 1, 3, 5 or 7 servers (any size works; even sizes gain nothing).
package struct ClusterConfiguration: Sendable, Equatable {
    /// Ascending, without duplicates, never empty.
    package let voters: [ServerID]

    /// Sorts the voters. The caller has checked that they are distinct and at least one.
    package init(voters: [ServerID]) {
        precondition(!voters.isEmpty && Set(voters).count == voters.count)
        self.voters = voters.sorted()
    }

    /// The smallest number of voters that is more than half.
    package var majority: Int { voters.count / 2 + 1 }
}
