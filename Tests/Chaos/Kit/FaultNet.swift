import ClusterHarness
import NIOCore
import NIOPosix
import SeededRandom
import Synchronization

/// All links of a cluster: which policy each direction has, and the connections through it.
///
/// A node's advertised address is a listener here; who dialled is read from the first frame of the
/// peer protocol, so that one listener carries a link of its own for each sender.
package final class FaultNet: Sendable {
    private struct State {
        var policies: [Direction: LinkPolicy] = [:]
        var connections: [ObjectIdentifier: Relay] = [:]
        var listeners: [any Channel] = []
        var jitter = SplitMix(seed: 1)
        /// Bytes that went through, by direction.
        var carried: [Direction: Int] = [:]
    }

    private let state = Mutex(State())
    /// One loop: the relays need no locks between their two halves.
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    package init() {}

    /// Who dials a listener.
    package enum Dialler: Sendable {
        case clients
        /// Known from the Hello, its first frame.
        case peer
    }

    /// Listens on `port` of 127.0.0.1 for the party `receiver`, whose own port is `target`.
    /// Returns the port.
    @discardableResult
    package func listen(
        on port: Int = 0, for receiver: Int, target: Int, dialler: Dialler
    ) async throws -> Int {
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let relay = Relay(
                        net: self, receiver: receiver, target: target, dialler: dialler)
                    try channel.pipeline.syncOperations.addHandler(RelayHandler(relay, .near))
                }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: "127.0.0.1", port: port).get()
        state.withLock { $0.listeners.append(channel) }
        guard let bound = channel.localAddress?.port else { throw ChannelError.unknownLocalAddress }
        return bound
    }

    /// Ends all listeners and connections.
    package func stop() async {
        let listeners = state.withLock { $0.listeners }
        for listener in listeners { try? await listener.close() }
        resetAll()
        try? await group.shutdownGracefully()
    }

    // MARK: Faults

    package func policy(of direction: Direction) -> LinkPolicy {
        state.withLock { $0.policies[direction] ?? .clear }
    }

    package func set(_ policy: LinkPolicy, on directions: some Sequence<Direction>) {
        let changed = Array(directions)
        state.withLock { state in
            for direction in changed { state.policies[direction] = policy }
        }
    }

    /// Every direction is clear again. Connections live on, with what waited in them.
    package func heal() {
        state.withLock { $0.policies = [:] }
    }

    /// Closes the connections that `direction`'s sender has dialled.
    package func reset(_ direction: Direction) {
        let relays = state.withLock { $0.connections.values.filter { $0.direction == direction } }
        for relay in relays { relay.closeSoon() }
    }

    package func resetAll() {
        let relays = state.withLock { Array($0.connections.values) }
        for relay in relays { relay.closeSoon() }
    }

    /// How many connections there are now.
    package var connectionCount: Int { state.withLock { $0.connections.count } }
    /// How many bytes went from one party to the other.
    package func carried(_ direction: Direction) -> Int {
        state.withLock { $0.carried[direction] ?? 0 }
    }

    // MARK: For relays

    func add(_ relay: Relay) {
        state.withLock { $0.connections[ObjectIdentifier(relay)] = relay }
    }

    func remove(_ relay: Relay) {
        state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(relay)) }
    }

    func count(_ bytes: Int, _ direction: Direction) {
        state.withLock { $0.carried[direction, default: 0] += bytes }
    }

    /// True once for each time that the policy was set: the cut is done by one connection.
    func takeCut(_ direction: Direction) -> Bool {
        state.withLock { state in
            guard state.policies[direction]?.cutsInMidFrame == true else { return false }
            state.policies[direction]?.cutsInMidFrame = false
            return true
        }
    }

    func jitter(upTo bound: Int) -> Int {
        bound <= 0 ? 0 : state.withLock { Int($0.jitter.next() % UInt64(bound)) }
    }
}
