package import NIOCore
package import RaftCore

/// Carries frames between this node and its peers over TCP, in both directions, with reconnects.
///
/// To each peer there is one outbound connection for all frames, and a second one, opened on
/// demand, for snapshot chunks. What peers send arrives over connections that they opened.
/// Delivery is at most once: frames are lost when a link breaks or its queue is full; Raft copes.
///
/// Everything but ``init(configuration:loop:onEvent:)``, ``start()`` and ``shutdown()`` must be
/// called on `loop`, where all events are delivered too. Methods called by the node never deliver
/// an event before they return.
// All mutable state is confined to `loop`; that is what makes sharing the reference safe.
package final class PeerTransport: @unchecked Sendable {
    enum Life {
        case new
        case running
        case ended
    }

    struct InboundKey: Hashable {
        let server: ServerID
        let kind: ConnectionKind
    }

    let configuration: Configuration
    let rules: HandshakeRules
    let loop: any EventLoop
    private let onEvent: (PeerEvent) -> Void

    var life = Life.new
    var listener: (any Channel)?
    var ticker: RepeatedTask?
    /// Established connections that peers opened.
    var inbound: [InboundKey: InboundConnection] = [:]
    /// Accepted connections before the end of their handshake, oldest first.
    var unauthenticated: [InboundConnection] = []
    /// In the order of the configuration. Filled by ``start()``.
    var mainLinks: [ServerID: OutboundLink] = [:]
    var snapshotLinks: [ServerID: OutboundLink] = [:]
    private var unflushed: [OutboundConnection] = []
    private var refusals = EventLimiter()
    private var violations = EventLimiter()

    /// - Parameters:
    ///   - loop: The event loop that the node shares with this transport.
    ///   - onEvent: Called on `loop`, never before ``start()`` or after ``shutdown()``.
    package init(
        configuration: Configuration, loop: any EventLoop,
        onEvent: @escaping (PeerEvent) -> Void
    ) {
        self.configuration = configuration
        self.rules = configuration.handshakeRules
        self.loop = loop
        self.onEvent = onEvent
    }

    /// The port that is listened on; nil before ``start()``.
    package var boundPort: Int? {
        loop.assertInEventLoop()
        return listener?.localAddress?.port
    }

    /// Queues a frame until ``flush()``.
    ///
    /// - Returns: Whether it was queued. It is dropped when there is no link, when the frame is
    ///   over the limit, or when the peer does not read; then only the newest heartbeat is kept.
    @discardableResult
    package func send(_ frame: PeerFrame, to server: ServerID) -> Bool {
        loop.assertInEventLoop()
        guard let main = mainLinks[server] else { return false }
        switch frame.type.connectionKind {
        case .main:
            return main.send(frame)
        case .snapshot:
            // Without a main link the answers could not be awaited anyway.
            guard main.isUp, let link = snapshotLinks[server] else { return false }
            return link.send(frame)
        }
    }

    /// Ends a batch: one write for each connection that has frames.
    package func flush() {
        loop.assertInEventLoop()
        guard !unflushed.isEmpty else { return }
        for connection in unflushed { connection.flush() }
        unflushed.removeAll(keepingCapacity: true)
    }

    /// Whether our connection of this kind to `server` has finished its handshake and is open.
    package func isConnected(_ server: ServerID, by kind: ConnectionKind = .main) -> Bool {
        loop.assertInEventLoop()
        switch kind {
        case .main: return mainLinks[server]?.isUp ?? false
        case .snapshot: return snapshotLinks[server]?.isUp ?? false
        }
    }

    /// Closes every connection with `server`. Both sides then reconnect.
    package func disconnect(_ server: ServerID) {
        loop.assertInEventLoop()
        mainLinks[server]?.close()
        snapshotLinks[server]?.close()
        for kind in [ConnectionKind.main, .snapshot] {
            inbound[InboundKey(server: server, kind: kind)]?.close()
        }
    }
}

// MARK: - What links and connections tell the transport

extension PeerTransport {
    var isRunning: Bool {
        switch life {
        case .running: true
        case .new, .ended: false
        }
    }

    func emit(_ event: PeerEvent) {
        if isRunning { onEvent(event) }
    }

    /// A connection has begun to gather a batch.
    func hasUnflushed(_ connection: OutboundConnection) {
        unflushed.append(connection)
    }

    func reportRefusal(_ reason: String, about server: ServerID?) {
        if let text = refusals.admit(reason, about: member(server), at: .now()) {
            emit(.handshakeRefused(member(server), reason: text))
        }
    }

    func reportViolation(_ reason: String, about server: ServerID?) {
        if let text = violations.admit(reason, about: member(server), at: .now()) {
            emit(.protocolViolation(member(server), reason: text))
        }
    }

    /// Strangers' claims must not grow the limiter's table.
    private func member(_ server: ServerID?) -> ServerID? {
        server.flatMap { mainLinks[$0] == nil ? nil : $0 }
    }
}
