import NIOCore
import RaftCore

/// What accepted connections tell the transport.
extension PeerTransport {
    /// Makes room for a connection that has not said who it is: past a cap, the oldest such
    /// connection (of the same address first) is closed, so that a flood cannot keep peers out.
    func admit(_ connection: InboundConnection) {
        guard isRunning else {
            connection.close()
            return
        }
        let siblings = unauthenticated.filter { $0.address == connection.address }
        if siblings.count >= configuration.maximumUnauthenticatedConnectionsPerAddress {
            evict(siblings.first, "too many connections from \(connection.address)")
        } else if unauthenticated.count >= configuration.maximumUnauthenticatedConnections {
            evict(unauthenticated.first, "too many connections that have not said who they are")
        }
        unauthenticated.append(connection)
    }

    private func evict(_ connection: InboundConnection?, _ reason: String) {
        guard let connection else { return }
        unauthenticated.removeAll { $0 === connection }
        reportViolation(reason, about: nil)
        connection.close()
    }

    /// The handshake is over. The newest connection of a peer and kind wins (N18): the older one
    /// is a leftover whose end has not been noticed yet.
    func established(_ connection: InboundConnection, server: ServerID, kind: ConnectionKind) {
        unauthenticated.removeAll { $0 === connection }
        let key = InboundKey(server: server, kind: kind)
        let older = inbound.updateValue(connection, forKey: key)
        older?.close()
        switch kind {
        case .main: mainLinks[server]?.peerIsAlive()
        case .snapshot: break
        }
    }

    /// A connection has closed. `peer` is nil before the end of its handshake.
    func closed(_ connection: InboundConnection, peer: InboundKey?) {
        guard let peer else {
            unauthenticated.removeAll { $0 === connection }
            return
        }
        guard inbound[peer] === connection else { return }
        inbound[peer] = nil
        // A process that ends takes both directions with it: look at ours at once.
        mainLinks[peer.server]?.probe()
    }
}
