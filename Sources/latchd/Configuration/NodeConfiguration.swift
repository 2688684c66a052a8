/// Everything that a node takes from its YAML file, checked, as plain values.
///
/// Times are in milliseconds, sizes in bytes. A value of this type obeys every rule of
/// `ConfigurationRules`: ids are distinct, the own id is a member, timeouts fit each other.
struct NodeConfiguration: Sendable, Equatable {
    /// The cluster's name: nodes of another name are refused by the peer handshake.
    var cluster: String
    /// The id of this node, one of `members`.
    var node: UInt16
    /// Absolute path of the directory with this node's data.
    var dataDirectory: String
    /// Where this node accepts other nodes.
    var peerListen: HostPort
    /// Where this node accepts clients.
    var clientListen: HostPort
    /// Ascending by id; 1 to 7.
    var members: [Member]
    /// The high 16 bits of fencing tokens: raised on all members when a backup is restored, so that
    /// tokens grow although log indexes went back.
    var incarnation: UInt16 = 0
    var raft = Raft()
    var sessions = Sessions()
    var limits = Limits()
    var snapshot = Snapshot()
    var log = Log()
    /// Where this node's status site listens; nil is no site.
    var statusListen: HostPort?

    /// One server of the cluster and its two addresses, dialable as they stand.
    struct Member: Sendable, Equatable {
        var id: UInt16
        var peer: HostPort
        var client: HostPort
        /// Where the member's status site is, for the pages of the others.
        var status: HostPort?
    }

    struct Raft: Sendable, Equatable {
        var heartbeatMilliseconds = 50
        /// A follower campaigns after a silence drawn evenly from this range (§5.2).
        var electionTimeoutMilliseconds = 300...600
        /// Delay per rank before a campaign when the leader's process is known to be gone.
        var unreachableLeaderDelayMilliseconds = 8
    }

    struct Sessions: Sendable, Equatable {
        /// Added at each election for clients to find the new leader, before a session may expire.
        var graceMilliseconds = 2_000
    }

    struct Limits: Sendable, Equatable {
        /// Calls accepted and not yet answered.
        var requestsInFlight = 50_000
        var eventStreams = 50_000
        var clientConnections = 10_000
        /// From one IP address; nine tenths of all unless set, so that no address alone keeps the
        /// others out.
        var clientConnectionsPerAddress = 9_000
        /// A call that is not decided by then fails.
        var requestTimeoutMilliseconds = 5_000
        /// Bytes in the leader's log that are not committed yet; beyond it, calls are refused.
        var uncommittedBytes = 64 << 20
    }

    struct Snapshot: Sendable, Equatable {
        var everyEntries = 100_000
        /// Entries kept behind a snapshot, for followers that are only a little behind.
        var keepEntries = 10_000
    }

    struct Log: Sendable, Equatable {
        var level = Level.info
        var format = LogFormat.text

        /// The names of the `log.level` key, least severe first.
        enum Level: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }
    }
}

/// A host name or IP address with a port.
struct HostPort: Sendable, Equatable, Hashable, CustomStringConvertible {
    /// Without brackets, also for IPv6.
    var host: String
    /// 1 to 65535.
    var port: Int

    /// `host:port`, with brackets around an IPv6 address.
    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
