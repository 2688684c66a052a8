import Listening
import NIOCore
import NIOPosix

extension PeerTransport {
    /// Listens for peers and starts to connect to them.
    ///
    /// - Throws: ``PeerTransportError``, with the address, the reason and what to do.
    package func start() async throws {
        try await loop.submit { try self.beginLife() }.get()
        do {
            let channel = try await listen()
            try await loop.submit { self.run(channel) }.get()
        } catch {
            await shutdown()
            throw describe(error)
        }
    }

    /// Closes the listener and every connection, and waits for that. No event follows.
    package func shutdown() async {
        // Fails only if the loop has ended, and the connections with it.
        try? await loop.flatSubmit { self.endLife() }.get()
    }

    private func beginLife() throws {
        switch life {
        case .new: life = .running
        case .running, .ended: throw PeerTransportError.alreadyStarted
        }
        for peer in configuration.peers {
            mainLinks[peer.id] = OutboundLink(to: peer, kind: .main, of: self)
            snapshotLinks[peer.id] = OutboundLink(to: peer, kind: .snapshot, of: self)
        }
    }

    private func listen() async throws -> any Channel {
        try await ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A storm of dials gets a few accepts a turn; established links go on (N17).
            .serverChannelOption(.maxMessagesPerRead, value: 4)
            .pausingWhenNothingCanBeAccepted()
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let connection = InboundConnection(of: self)
                    try channel.pipeline.syncOperations.addHandler(connection)
                }
            }
            .bind(host: configuration.listenHost, port: configuration.listenPort)
            .get()
    }

    private func run(_ channel: any Channel) {
        guard isRunning else {
            channel.close(promise: nil)
            return
        }
        listener = channel
        ticker = loop.scheduleRepeatedTask(
            initialDelay: configuration.tickInterval, delay: configuration.tickInterval
        ) { _ in self.tick() }
        for peer in configuration.peers { mainLinks[peer.id]?.dial() }
    }

    private func tick() {
        for peer in configuration.peers {
            mainLinks[peer.id]?.tick()
            snapshotLinks[peer.id]?.tick()
        }
        for connection in inbound.values { connection.tick() }
    }

    private func endLife() -> EventLoopFuture<Void> {
        life = .ended
        ticker?.cancel()
        var closing: [EventLoopFuture<Void>] = []
        if let listener {
            closing.append(listener.closeFuture)
            listener.close(promise: nil)
        }
        for link in mainLinks.values { closing += link.stop() }
        for link in snapshotLinks.values { closing += link.stop() }
        for connection in Array(inbound.values) + unauthenticated { closing += connection.close() }
        return EventLoopFuture.andAllComplete(closing, on: loop)
    }

    private func describe(_ error: any Error) -> any Error {
        if error is PeerTransportError { return error }
        var reason = "\(error)"
        var advice = "check the listen address in this node's configuration"
        if let error = error as? IOError {
            reason = "\(error.description)"
            switch error.errnoCode {
            case EADDRINUSE:
                reason = "the address is in use"
                advice = "stop the process that has it, or configure another port"
            case EADDRNOTAVAIL:
                reason = "this machine does not have that address"
                advice = "configure one of its own addresses, or 0.0.0.0 for all"
            case EACCES:
                reason = "permission denied"
                advice = "ports below 1024 need privileges: configure a higher one"
            // default: open set
            default:
                break
            }
        }
        return PeerTransportError.cannotListen(
            host: configuration.listenHost, port: configuration.listenPort, reason: reason,
            advice: advice)
    }
}
