import Foundation
import LatchMachine
import LatchNode
import LocalMachine
import Logging
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import RaftStorage

@testable import StatusSite

/// Nodes on real disks and sockets in this process, each with its status site.
final class RealNode: Sendable {
    let node: LatchNode
    let site: StatusSite
    let port: Int
    private let terms: TermMeter
    private let group: MultiThreadedEventLoopGroup
    private let folder: URL

    /// Starts `count` nodes of one cluster; ports are free ones.
    static func start(_ count: Int) async throws -> [RealNode] {
        let ports = FreePorts.take(count)
        var nodes: [RealNode] = []
        for position in 0..<count {
            nodes.append(try await RealNode(position, ports))
        }
        return nodes
    }

    private init(_ position: Int, _ ports: [Int]) async throws {
        let id = ServerID(UInt16(position + 1))
        let members = ports.enumerated().map { index, port in
            Member(
                id: ServerID(UInt16(index + 1)), peerHost: "127.0.0.1", peerPort: port,
                clientHost: "127.0.0.1", clientPort: port)
        }
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("latchd-site-\(UUID().uuidString)")
        var options = StorageOptions()
        options.bootstrap = true
        let opened = try RaftStorage.open(
            directory: folder.path,
            identity: StorageIdentity(
                clusterName: "site", serverID: id, members: members.map { "\($0.id)" }),
            options: options)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var logger = Logger(label: "node")
        logger.logLevel = .error
        node = try LatchNode(
            settings: NodeSettings(server: id, members: members), storage: opened.storage,
            recovered: opened.recovered,
            transport: PeerTransport.Configuration(
                clusterID: 1, clusterName: "site", serverID: id,
                peers: members.filter { $0.id != id }.map {
                    PeerTransport.Peer(id: $0.id, host: $0.peerHost, port: $0.peerPort)
                },
                listenHost: "127.0.0.1", listenPort: ports[position], memberDigest: 1,
                linkTimeoutMilliseconds: 600),
            loop: group.next(), seed: UInt64(position + 1), logger: logger, onHalt: { _ in })
        terms = TermMeter(startedAt: 0)
        node.termObserver = terms
        try await node.start()
        site = StatusSite(
            settings: SiteSettings(host: "127.0.0.1", port: 0, cluster: "site", version: "1.2.3"),
            node: node, terms: terms, logger: logger, edge: { Self.edge })
        port = try await site.start()?.port ?? 0
    }

    private static let edge = EdgeReading(
        calls: [
            CallReading(
                method: "/x.Y/Z", isUnary: true, open: 1, ended: [(code: "OK", count: 2)],
                bounds: [1_000_000], durations: [1, 1], nanoseconds: 9_000_000)
        ],
        connections: 1, connectionLimit: 10)

    /// The node's end, as abrupt for its peers as a killed process.
    func stop() async {
        await site.shutdown()
        await node.stop()
        try? await group.shutdownGracefully()
        try? FileManager.default.removeItem(at: folder)
    }

    /// Status, head and body of one GET.
    func get(_ path: String) async throws -> (status: Int, head: String, body: String) {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET \(path) HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
            var bytes: [UInt8] = []
            for try await part in inbound { bytes += part.readableBytesView }
            let text = String(decoding: bytes, as: UTF8.self)
            let parts = text.components(separatedBy: "\r\n\r\n")
            let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            return (status, parts[0], parts.dropFirst().joined(separator: "\r\n\r\n"))
        }
    }

    /// Waits until `/readyz` answers `status`.
    func becomes(_ status: Int, within seconds: Double = 20) async throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while try await get("/readyz").status != status {
            guard ContinuousClock.now < end else { throw TookTooLong() }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Waits until the page's picture, which may be a moment old, is as wanted.
    func overview(
        within seconds: Double = 10, _ isWanted: (Overview) -> Bool
    ) async throws -> Overview {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            let overview = try JSONDecoder().decode(
                Overview.self, from: Data(try await get("/api/overview").body.utf8))
            if isWanted(overview) { return overview }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw TookTooLong()
    }

    /// Has a command applied.
    func apply(_ command: Command) async -> NodeResult {
        let node = node
        return await withCheckedContinuation { continuation in
            node.submit(.command(command, Answer(node.loop, continuation)))
        }
    }

    struct TookTooLong: Error {}

    private final class Answer: ReplySink {
        let loop: any EventLoop
        private let continuation: CheckedContinuation<NodeResult, Never>

        init(_ loop: any EventLoop, _ continuation: CheckedContinuation<NodeResult, Never>) {
            self.loop = loop
            self.continuation = continuation
        }

        func complete(_ result: NodeResult) { continuation.resume(returning: result) }
    }
}
