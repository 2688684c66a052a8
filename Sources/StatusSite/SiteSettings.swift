package import RaftCore

/// What a status site listens on and tells of its node, beyond what the node knows itself.
package struct SiteSettings: Sendable {
    /// The address or name to listen on.
    package var host: String
    /// The port to listen on; 0 lets the system choose.
    package var port: Int
    /// The cluster's name.
    package var cluster: String
    /// The version of this program.
    package var version: String
    /// Where the sites of the other members are, as far as that is known; asked for their part of
    /// the picture while somebody looks at the page.
    package var pages: [ServerID: PageAddress] = [:]
    /// Connections that may look at the page at once; beyond it the page answers 503. Health checks
    /// and metrics are answered up to four times as many, then connections are closed.
    package var maximumViewers = 64
    /// A node whose loop does not answer within this time counts as dead. Milliseconds.
    package var livenessBoundMilliseconds: Int64 = 1_000
    /// Work that waits for longer than this, at the disk or for a quorum, is no progress.
    /// Milliseconds.
    package var progressBoundMilliseconds: UInt64 = 2_000

    /// Settings with the bounds that suit a small cluster.
    package init(host: String, port: Int, cluster: String, version: String) {
        self.host = host
        self.port = port
        self.cluster = cluster
        self.version = version
    }
}

/// Where a status site is reached.
package struct PageAddress: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// `host:port`, with brackets around an IPv6 address.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The calls of one gRPC method, as whoever composes the node hands them to the site.
package struct CallReading: Sendable {
    /// `/package.Service/Method`.
    package var method: String
    /// Streams have no durations worth a histogram.
    package var isUnary: Bool
    package var open: Int
    /// How many calls ended with each status, by its gRPC name; those that never happened may be
    /// missing.
    package var ended: [(code: String, count: UInt64)]
    /// The buckets' upper bounds in nanoseconds, ascending.
    package var bounds: [UInt64]
    /// One more than `bounds`.
    package var durations: [UInt64]
    /// All durations together, in nanoseconds.
    package var nanoseconds: UInt64

    package init(
        method: String, isUnary: Bool, open: Int, ended: [(code: String, count: UInt64)],
        bounds: [UInt64], durations: [UInt64], nanoseconds: UInt64
    ) {
        self.method = method
        self.isUnary = isUnary
        self.open = open
        self.ended = ended
        self.bounds = bounds
        self.durations = durations
        self.nanoseconds = nanoseconds
    }
}

/// What the client-facing side of a node has counted.
package struct EdgeReading: Sendable {
    package var calls: [CallReading]
    package var connections: Int
    package var connectionLimit: Int

    package init(calls: [CallReading], connections: Int, connectionLimit: Int) {
        self.calls = calls
        self.connections = connections
        self.connectionLimit = connectionLimit
    }
}
