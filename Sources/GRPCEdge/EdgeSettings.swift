package import NIOSSL

/// What a gRPC server listens on and how much of everything it allows.
package struct EdgeSettings: Sendable {
    /// The address or name to listen on.
    package var host: String
    /// The port to listen on; 0 lets the system choose.
    package var port: Int
    /// The largest request message, in bytes; beyond it a call is answered RESOURCE_EXHAUSTED.
    package var maximumRequestBytes: Int
    /// The bytes of all incomplete or waiting request messages of all connections together; those
    /// of one IP address get at most nine tenths.
    package var maximumBufferedRequestBytes: Int
    /// Bytes that one call may queue for a slow reader; beyond it the call is cancelled.
    package var maximumBufferedBytesPerCall: Int
    /// Bytes that the calls of one connection may queue; beyond it the sending call is cancelled.
    package var maximumBufferedBytesPerConnection: Int
    /// Calls open at once on a connection.
    package var maximumConcurrentStreams: Int
    /// The size of a request's header list, counted as in RFC 9113 §6.5.2, in bytes.
    package var maximumHeaderListBytes: Int
    /// Connections open at once; the next one is closed as soon as it is accepted.
    package var maximumConnections: Int
    /// The same, from one IP address (N17). Nil: nine tenths of `maximumConnections`, so that no
    /// address alone keeps the others out.
    package var maximumConnectionsPerAddress: Int?
    /// Frames without work in them (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA) that a
    /// connection may send in advance of its requests and answers.
    package var maximumIdleFrames: Int
    /// Streams that a connection may reset, or make us reset, at once; a thirtieth of them comes
    /// back each sweep.
    package var maximumResets: Int
    /// A connection is pinged this often and closed when no answer came before the next ping.
    package var pingIntervalSeconds: Int
    /// A connection that has not finished TLS and the HTTP/2 preface by then is closed.
    package var handshakeTimeoutMilliseconds: Int
    /// A request whose headers are incomplete by then closes its connection; one whose single
    /// message is incomplete by then is answered DEADLINE_EXCEEDED. Calls that only wait for their
    /// client to read are reset when it has not taken half of the answers by then.
    package var requestTimeoutMilliseconds: Int
    /// TLS, with "h2" among its application protocols; nil for plain TCP.
    package var tls: NIOSSLContext?

    /// Settings with the limits that suit a small cluster on a LAN.
    package init(host: String = "127.0.0.1", port: Int = 0, tls: NIOSSLContext? = nil) {
        self.host = host
        self.port = port
        self.tls = tls
        maximumRequestBytes = 4 << 20
        maximumBufferedRequestBytes = 256 << 20
        maximumBufferedBytesPerCall = 8 << 20
        maximumBufferedBytesPerConnection = 64 << 20
        maximumConcurrentStreams = 1024
        maximumHeaderListBytes = 16 << 10
        maximumConnections = 4096
        maximumIdleFrames = 10_000
        // A client may give up all its calls at once, or stop reading all of them.
        maximumResets = 2_000
        pingIntervalSeconds = 30
        handshakeTimeoutMilliseconds = 10_000
        requestTimeoutMilliseconds = 30_000
    }

    /// What ``maximumConnectionsPerAddress`` comes to.
    var connectionsPerAddress: Int {
        maximumConnectionsPerAddress ?? Self.shareOfOneAddress(of: maximumConnections)
    }

    /// Nine tenths.
    package static func shareOfOneAddress(of total: Int) -> Int {
        total - total / 10
    }
}
