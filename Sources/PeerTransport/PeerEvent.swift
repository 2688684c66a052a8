package import RaftCore

/// What a ``PeerTransport`` tells its node, on their event loop.
package enum PeerEvent: Hashable, Sendable {
    /// A valid frame from a peer that has proved to be `from`'s place in the configuration.
    case received(PeerFrame, from: ServerID)
    /// The frames of one read burst have been delivered: the node runs its batch now.
    case batchEnded
    /// Our outbound link finished its handshake: ``PeerTransport/send(_:to:)`` works.
    case linkUp(ServerID)
    /// Our outbound link closed, or nothing came back over it for the link timeout.
    case linkDown(ServerID)
    /// After `linkDown`, a reconnect was refused (ECONNREFUSED): the process is gone. Repeated,
    /// with the back-off, until the link is up again; never for a peer that has not been up yet.
    case unreachable(ServerID)
    /// One of the two sides refused the other in the handshake. Rate-limited.
    case handshakeRefused(ServerID?, reason: String)
    /// A connection was closed for what it sent: garbage, a wrong checksum, a frame out of place.
    /// Rate-limited. The server is nil when the connection had not been established.
    case protocolViolation(ServerID?, reason: String)
}
