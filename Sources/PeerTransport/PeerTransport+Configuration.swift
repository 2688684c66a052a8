import NIOCore
package import RaftCore

extension PeerTransport {
    /// Another member, and where it listens for peers.
    package struct Peer: Sendable, Equatable {
        package var id: ServerID
        /// A host name (resolved anew for each attempt) or an IP address.
        package var host: String
        package var port: Int

        package init(id: ServerID, host: String, port: Int) {
            self.id = id
            self.host = host
            self.port = port
        }
    }

    /// What a transport must know, and the bounds it keeps. Times are in milliseconds.
    package struct Configuration: Sendable {
        /// Servers with another cluster id are refused.
        package var clusterID: UInt64
        /// The cluster's name, for messages to people.
        package var clusterName: String
        package var serverID: ServerID
        /// All members but this server.
        package var peers: [Peer]
        package var listenHost: String
        /// 0 lets the system choose: see ``PeerTransport/boundPort``.
        package var listenPort: Int
        /// Servers whose member list has another digest are refused.
        package var memberDigest: UInt64
        /// A link over which nothing came back for this long is dead. Pings are sent every quarter.
        package var linkTimeoutMilliseconds: UInt64

        /// The peer protocol versions that this build speaks.
        package var protocolVersions: ClosedRange<UInt16> = 1...1
        /// The largest frame, by its length field. Holds 1 MiB of entries plus one more entry.
        package var maximumFrameBytes = 4 << 20
        /// Frames for a peer that is not reading, in bytes, before more are dropped. Over the
        /// core's bound for unacknowledged entries, so that only a stalled peer reaches it.
        package var maximumQueuedBytesPerPeer = 16 << 20
        package var connectTimeoutMilliseconds: UInt64 = 1_000
        /// From accepting (or connecting) to the end of the handshake (N10).
        package var handshakeTimeoutMilliseconds: UInt64 = 2_000
        /// The delay before the second attempt, and the longest one; doubling, with jitter.
        package var reconnectDelayMilliseconds: ClosedRange<UInt64> = 10...1_000
        /// A snapshot connection is closed when nothing was sent over it for this long.
        package var snapshotIdleMilliseconds: UInt64 = 10_000
        /// The link timeout of a snapshot connection, over which one chunk may take long.
        package var snapshotLinkTimeoutMilliseconds: UInt64 = 15_000
        /// Accepted connections that have not finished their handshake; the oldest makes room.
        package var maximumUnauthenticatedConnections = 64
        /// The same, from one IP address (N17).
        package var maximumUnauthenticatedConnectionsPerAddress = 16

        package init(
            clusterID: UInt64, clusterName: String, serverID: ServerID, peers: [Peer],
            listenHost: String, listenPort: Int, memberDigest: UInt64,
            linkTimeoutMilliseconds: UInt64
        ) {
            self.clusterID = clusterID
            self.clusterName = clusterName
            self.serverID = serverID
            self.peers = peers
            self.listenHost = listenHost
            self.listenPort = listenPort
            self.memberDigest = memberDigest
            self.linkTimeoutMilliseconds = linkTimeoutMilliseconds
        }
    }
}

extension PeerTransport.Configuration {
    var handshakeRules: HandshakeRules {
        HandshakeRules(
            protocolVersions: protocolVersions, clusterID: clusterID, clusterName: clusterName,
            serverID: serverID, peers: peers.map(\.id).sorted(), memberDigest: memberDigest,
            linkTimeoutMilliseconds: linkTimeoutMilliseconds)
    }

    var backOff: BackOff {
        BackOff(
            first: .bounded(milliseconds: reconnectDelayMilliseconds.lowerBound),
            longest: .bounded(milliseconds: reconnectDelayMilliseconds.upperBound))
    }

    /// How often links are looked at: a quarter of the link timeout, so that the fourth look
    /// without a sign of life falls into its last quarter.
    var tickInterval: TimeAmount {
        .bounded(milliseconds: max(1, linkTimeoutMilliseconds / 4))
    }

    /// The looks without a sign of life after which a link is dead.
    func silentTicks(for kind: ConnectionKind) -> Int {
        switch kind {
        case .main: 4
        case .snapshot: ticks(in: snapshotLinkTimeoutMilliseconds)
        }
    }

    /// The same for a connection whose dialler has its own idea of the link timeout, and pings
    /// accordingly; at most an hour, since the number is a stranger's.
    func silentTicks(for kind: ConnectionKind, dialledWith milliseconds: UInt32) -> Int {
        max(silentTicks(for: kind), ticks(in: min(UInt64(milliseconds), 3_600_000)))
    }

    /// The looks without a chunk after which a snapshot connection is closed.
    var idleTicks: Int { ticks(in: snapshotIdleMilliseconds) }

    private func ticks(in milliseconds: UInt64) -> Int {
        let tick = UInt64(max(1, tickInterval.nanoseconds / 1_000_000))
        return max(4, Int(clamping: milliseconds / tick))
    }
}

extension TimeAmount {
    /// Milliseconds, at most a day: no configured value can overflow.
    static func bounded(milliseconds: UInt64) -> TimeAmount {
        .milliseconds(Int64(min(milliseconds, 86_400_000)))
    }
}
