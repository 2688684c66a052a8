import NIOCore
import NIOPosix
import RaftCore

/// Our side of the way to one peer, over as many connections, one after the other, as it takes.
final class OutboundLink {
    private enum State {
        /// No connection, none wanted: a snapshot link between snapshots.
        case idle
        case waiting(Scheduled<Void>)
        case dialling
        case handshaking(OutboundConnection)
        case up(OutboundConnection, since: NIODeadline)
        case stopped
    }

    /// A connection that lived shorter than this counts as a failed attempt, so that two servers
    /// with one identity, which replace each other (N18), do not do so without pause.
    private static let stableAfter = TimeAmount.seconds(1)

    let peer: PeerTransport.Peer
    let kind: ConnectionKind
    unowned let transport: PeerTransport

    private var state = State.idle
    /// Attempts in a row that did not bring the link up.
    private var failures = 0
    /// Connections in a row that were up, but not for long.
    private var shortLives = 0
    /// The link was up and has been lost: a refused reconnect is evidence of a dead process.
    private var lostLink = false
    private var wasRefused = false
    private var lastRefusal: (reason: String, at: NIODeadline)?
    /// Chunks for a snapshot connection that is still being opened.
    private var waitingFrames: [PeerFrame] = []

    init(to peer: PeerTransport.Peer, kind: ConnectionKind, of transport: PeerTransport) {
        self.peer = peer
        self.kind = kind
        self.transport = transport
    }

    var isUp: Bool { connection != nil }

    private var connection: OutboundConnection? {
        switch state {
        case .up(let connection, _): connection
        case .idle, .waiting, .dialling, .handshaking, .stopped: nil
        }
    }

    /// See ``PeerTransport/send(_:to:)``. A snapshot link connects when it is first needed.
    func send(_ frame: PeerFrame) -> Bool {
        switch state {
        case .up(let connection, _):
            return connection.send(frame)
        case .idle:
            guard kind == .snapshot else { return false }
            waitingFrames = [frame]
            dial()
            return true
        case .dialling, .handshaking:
            guard kind == .snapshot, waitingFrames.count < 4 else { return false }
            waitingFrames.append(frame)
            return true
        case .waiting, .stopped:
            return false
        }
    }

    func tick() { connection?.tick() }

    /// Looks at once whether the other side still answers.
    func probe() { connection?.ping() }

    /// The peer has just connected to us: do not wait for the back-off to end.
    func peerIsAlive() {
        switch state {
        case .waiting(let timer):
            // One that refuses us is alive all the time.
            guard !wasRefused else { return }
            timer.cancel()
            dial()
        case .idle, .dialling, .handshaking, .up, .stopped:
            break
        }
    }

    /// Closes the present connection, if any; the link then goes on as after any loss.
    func close() { connection?.close() }

    /// Ends the link for good.
    func stop() -> [EventLoopFuture<Void>] {
        defer { state = .stopped }
        switch state {
        case .waiting(let timer):
            timer.cancel()
            return []
        case .handshaking(let connection), .up(let connection, _):
            return connection.close()
        case .idle, .dialling, .stopped:
            return []
        }
    }
}

// MARK: - Attempts

extension OutboundLink {
    func dial() {
        state = .dialling
        wasRefused = false
        let configuration = transport.configuration
        let high = max(configuration.maximumQueuedBytesPerPeer / 2, 2)
        let bootstrap = ClientBootstrap(group: transport.loop)
            .connectTimeout(.bounded(milliseconds: configuration.connectTimeoutMilliseconds))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark, value: .init(low: high / 2, high: high))
        // A literal address needs no resolver, which may block for seconds.
        let address = try? SocketAddress(ipAddress: peer.host, port: peer.port)
        let attempt =
            address.map { bootstrap.connect(to: $0) }
            ?? bootstrap.connect(host: peer.host, port: peer.port)
        attempt.hop(to: transport.loop).assumeIsolated().whenComplete { [self] result in
            dialled(result)
        }
    }

    private func dialled(_ result: Result<any Channel, any Error>) {
        switch (state, result) {
        case (.dialling, .success(let channel)):
            let connection = OutboundConnection(of: self)
            state = .handshaking(connection)
            do {
                try channel.pipeline.syncOperations.addHandler(connection)
            } catch {
                // The connection closed before it could say anything.
                closed(connection)
            }
        case (.dialling, .failure(let error)):
            if lostLink, error.isConnectionRefused {
                transport.emit(.unreachable(peer.id))
            }
            failed()
        case (_, .success(let channel)):
            channel.close(promise: nil)
        case (_, .failure):
            break
        }
    }

    func established(_ connection: OutboundConnection) {
        state = .up(connection, since: .now())
        failures = 0
        lostLink = false
        lastRefusal = nil
        switch kind {
        case .main: transport.emit(.linkUp(peer.id))
        case .snapshot:
            for frame in waitingFrames { _ = connection.send(frame) }
            waitingFrames = []
            connection.flush()
        }
    }

    /// One of the two sides refused the other: worth one message, and then patience.
    func refused(_ reason: String) {
        wasRefused = true
        let now = NIODeadline.now()
        if let last = lastRefusal, last.reason == reason, now - last.at < .seconds(60) { return }
        lastRefusal = (reason, now)
        transport.reportRefusal("\(peer.host):\(peer.port): \(reason)", about: peer.id)
    }

    func closed(_ connection: OutboundConnection) {
        switch state {
        case .handshaking(let current) where current === connection:
            failed()
        case .up(let current, let since) where current === connection:
            lost(since: since)
        case .idle, .waiting, .dialling, .handshaking, .up, .stopped:
            break
        }
    }

    private func lost(since: NIODeadline) {
        let isStable = NIODeadline.now() - since >= OutboundLink.stableAfter
        shortLives = isStable ? 0 : shortLives + 1
        switch kind {
        case .snapshot:
            state = .idle
        case .main:
            lostLink = true
            // The first reconnect is at once: whether it is refused tells what happened.
            retry(afterFailures: max(0, shortLives - 1))
            transport.snapshotLinks[peer.id]?.close()
            transport.emit(.linkDown(peer.id))
        }
    }

    private func failed() {
        failures += 1
        waitingFrames = []
        retry(afterFailures: wasRefused ? .max : failures)
    }

    private func retry(afterFailures failures: Int) {
        let delay = transport.configuration.backOff.delay(
            afterFailures: failures, jitter: .random(in: 0...1))
        let timer = transport.loop.assumeIsolated().scheduleTask(in: delay) { [self] in
            switch (state, kind) {
            case (.waiting, .main): dial()
            case (.waiting, .snapshot): state = .idle
            case (.idle, _), (.dialling, _), (.handshaking, _), (.up, _), (.stopped, _): break
            }
        }
        state = .waiting(timer)
    }
}

extension Error {
    /// Whether every address that was tried answered that nobody listens there.
    fileprivate var isConnectionRefused: Bool {
        if let error = self as? IOError { return error.errnoCode == ECONNREFUSED }
        guard let error = self as? NIOConnectionError else { return false }
        return !error.connectionErrors.isEmpty
            && error.connectionErrors.allSatisfy { $0.error.isConnectionRefused }
    }
}
