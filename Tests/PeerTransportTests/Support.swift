import LocalMachine
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import Synchronization
import Testing

/// Polls until `condition` holds; false if it does not within the time.
func eventually(
    within limit: Duration = .seconds(10), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(1))
    }
    return try await condition()
}

/// Gives something that must not happen the time to happen.
func nothingMayHappen(for time: Duration) async {
    _ = await eventually(within: time) { false }
}

/// One transport on a loop of its own, and everything that it reported.
final class TestNode: Sendable {
    let id: ServerID
    let loop: any EventLoop
    let transport: PeerTransport
    private let log: EventLog

    init(_ configuration: PeerTransport.Configuration) {
        let log = EventLog()
        id = configuration.serverID
        loop = MultiThreadedEventLoopGroup.singleton.next()
        transport = PeerTransport(configuration: configuration, loop: loop) { log.add($0) }
        self.log = log
    }

    var events: [PeerEvent] { log.events.withLock { $0 } }
    func clearEvents() { log.events.withLock { $0 = [] } }
    func count(of event: PeerEvent) -> Int { events.count { $0 == event } }
    func saw(_ event: PeerEvent) -> Bool { count(of: event) > 0 }

    var frames: [PeerFrame] {
        events.compactMap {
            switch $0 {
            case .received(let frame, from: _): frame
            case .batchEnded, .linkUp, .linkDown, .unreachable, .handshakeRefused,
                .protocolViolation:
                nil
            }
        }
    }

    var refusals: [String] {
        events.compactMap {
            switch $0 {
            case .handshakeRefused(_, reason: let reason): reason
            case .received, .batchEnded, .linkUp, .linkDown, .unreachable, .protocolViolation:
                nil
            }
        }
    }

    var violations: [String] {
        events.compactMap {
            switch $0 {
            case .protocolViolation(_, reason: let reason): reason
            case .received, .batchEnded, .linkUp, .linkDown, .unreachable, .handshakeRefused:
                nil
            }
        }
    }

    func send(_ frames: [PeerFrame], to server: ServerID) async throws -> Int {
        try await onLoop { transport in
            let queued = frames.count { transport.send($0, to: server) }
            transport.flush()
            return queued
        }
    }

    func sendAll(_ frames: [PeerFrame], to server: ServerID) async throws {
        let queued = try await send(frames, to: server)
        #expect(queued == frames.count)
    }

    func onLoop<Value: Sendable>(
        _ body: @escaping @Sendable (PeerTransport) throws -> Value
    ) async throws -> Value {
        try await loop.submit { [transport] in try body(transport) }.get()
    }
}

private final class EventLog: Sendable {
    let events = Mutex<[PeerEvent]>([])
    func add(_ event: PeerEvent) { events.withLock { $0.append(event) } }
}

let digestOfMembers: UInt64 = 0xD16E_5700_0000_0001

func configuration(
    _ id: UInt16, port: Int, peers: [(UInt16, Int)], linkTimeout: UInt64 = 2_000,
    change: (inout PeerTransport.Configuration) -> Void = { _ in }
) -> PeerTransport.Configuration {
    var configuration = PeerTransport.Configuration(
        clusterID: 0xC1, clusterName: "test", serverID: ServerID(id),
        peers: peers.map { .init(id: ServerID($0.0), host: "127.0.0.1", port: $0.1) },
        listenHost: "127.0.0.1", listenPort: port, memberDigest: digestOfMembers,
        linkTimeoutMilliseconds: linkTimeout)
    change(&configuration)
    return configuration
}

/// Runs `body` with two connected transports, 1 and 2.
func withPair(
    linkTimeout: UInt64 = 2_000,
    configure: (inout PeerTransport.Configuration) -> Void = { _ in },
    _ body: (TestNode, TestNode) async throws -> Void
) async throws {
    let ports = (FreePorts.takeOne(), FreePorts.takeOne())
    var one = configuration(1, port: ports.0, peers: [(2, ports.1)], linkTimeout: linkTimeout)
    var two = configuration(2, port: ports.1, peers: [(1, ports.0)], linkTimeout: linkTimeout)
    configure(&one)
    configure(&two)
    try await withNodes([one, two]) { nodes in
        let (one, two) = (nodes[0], nodes[1])
        _ = await eventually { one.saw(.linkUp(two.id)) && two.saw(.linkUp(one.id)) }
        try await body(one, two)
    }
}

/// Runs `body` with started transports, and shuts them down after it in any case.
func withNodes(
    _ configurations: [PeerTransport.Configuration], _ body: ([TestNode]) async throws -> Void
) async throws {
    let nodes = configurations.map { TestNode($0) }
    func shutDown() async {
        for node in nodes { await node.transport.shutdown() }
    }
    do {
        for node in nodes { try await node.transport.start() }
        try await body(nodes)
    } catch {
        await shutDown()
        throw error
    }
    await shutDown()
}
