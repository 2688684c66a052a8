import GRPCEdge
import LatchNode
import LatchService
import Logging
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import RaftStorage
import ServiceLifecycle
import StatusSite
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The composition root: builds one node out of its modules, runs it until a signal, and takes it
/// down in order.
struct Server: Service {
    let configuration: NodeConfiguration
    /// Create the data directory where there is none: the first start of a new cluster.
    let bootstrap: Bool
    let logger: Logger

    /// The whole of `latchd --config F`, until SIGTERM or SIGINT.
    ///
    /// - Throws: `StartFailure` with the process's exit code.
    func runUntilSignal() async throws {
        // A peer or client that closes its socket is an error of that socket, never the end of the
        // process.
        signal(SIGPIPE, SIG_IGN)
        let group = ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: self, successTerminationBehavior: .gracefullyShutdownGroup)
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    func run() async throws {
        let (storage, recovered) = try openStorage()
        // Two threads, so that a flood of client bytes never holds up a heartbeat: the node with
        // its peers, the edge.
        let nodeGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let edgeGroup = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let node: LatchNode
        do {
            node = try LatchNode(
                settings: nodeSettings, storage: storage, recovered: recovered,
                transport: transportConfiguration,
                loop: nodeGroup.next(), seed: UInt64.random(in: .min ... .max), logger: logger,
                onHalt: { [logger] reason in Self.halt(reason, logger) })
        } catch let error as IncarnationTooLow {
            throw StartFailure(.badConfiguration, "\(error)")
        }
        let terms = TermMeter(startedAt: node.settings.wallClock())
        node.termObserver = terms
        let edge = GRPCServer(
            methods: LatchService(
                node: node, cluster: configuration.cluster, version: latchdVersion
            ).methods,
            settings: edgeSettings, group: edgeGroup, onEvent: { [logger] in Self.log($0, logger) })
        do {
            try await node.start()
        } catch {
            throw StartFailure(.addressUnavailable, "the peer port cannot be opened: \(error)")
        }
        do {
            let address = try await edge.start()
            logger.info(
                "node started",
                metadata: [
                    "cluster": "\(configuration.cluster)", "version": "\(latchdVersion)",
                    "clients": "\(address)",
                    "peers": "\(configuration.peerListen)",
                    "data": "\(configuration.dataDirectory)",
                ])
        } catch {
            await node.stop()
            throw StartFailure(.addressUnavailable, "the client port cannot be opened: \(error)")
        }
        let site = try await startSite(node, edge, terms)
        let manager = ServiceManager()
        manager?.attend(node)
        try? await gracefulShutdown()
        manager?.stopping()
        await shutDown(node, edge)
        // Every call is decided and the disk is closed: nothing that is left to close may keep the
        // process, for instance who writes to a standard error that nobody reads.
        MultiThreadedEventLoopGroup.singleton.any().scheduleTask(in: .milliseconds(300)) {
            LogSink.standardError.flush()
            _exit(ExitStatus.success.rawValue)
        }
        await site?.shutdown()
        withExtendedLifetime(terms) {}
        try await edgeGroup.shutdownGracefully()
        try await nodeGroup.shutdownGracefully()
    }

    /// Leadership first, so that the cluster goes on at once; then every caller gets an answer and
    /// every open stream the address of another node; then the port closes. The bounds add up to
    /// less than five seconds.
    private func shutDown(_ node: LatchNode, _ edge: GRPCServer) async {
        // A second signal changes nothing: the process is on its way out, and its time is bounded.
        signal(SIGTERM, SIG_IGN)
        signal(SIGINT, SIG_IGN)
        logger.info("stopping: handing leadership over")
        let limit = MultiThreadedEventLoopGroup.singleton.any().scheduleTask(
            in: .milliseconds(4_500)
        ) {
            [logger] in
            // A disk that hangs must not keep the process: nothing unacknowledged is lost with it.
            logger.critical("stopping took too long; was the disk hanging?")
            LogSink.standardError.flush()
            _exit(ExitStatus.diskFailure.rawValue)
        }
        await node.retire(within: .milliseconds(1_500))
        await node.stop()
        await edge.shutdown(drainTimeout: .milliseconds(1_000))
        limit.cancel()
        logger.info("stopped")
    }

    private func openStorage() throws -> (storage: RaftStorage, recovered: PersistentState) {
        let identity = StorageIdentity(
            clusterName: configuration.cluster, serverID: ServerID(configuration.node),
            members: configuration.memberLines)
        var options = StorageOptions()
        options.bootstrap = bootstrap
        // Members checkpoint at different paces, so that seldom two of them pause at once: the
        // other two are a quorum.
        let rank = configuration.members.firstIndex { $0.id == configuration.node } ?? 0
        options.checkpointPages += 350 * rank
        do {
            let opened = try RaftStorage.open(
                directory: configuration.dataDirectory, identity: identity, options: options)
            logger.info(
                "data opened",
                metadata: [
                    "term": "\(opened.recovered.currentTerm)",
                    "entries": "\(opened.recovered.entries.count)",
                    "snapshot": "\(opened.recovered.snapshot?.lastIncludedIndex ?? .zero)",
                ])
            if bootstrap, opened.recovered.currentTerm > .zero {
                logger.warning(
                    """
                    --bootstrap did nothing: there is data. Take it out of the command: a node that \
                    is started with it after its data was lost votes as if it had never voted
                    """)
            }
            return opened
        } catch {
            throw StartFailure(ExitStatus(error), "\(error)")
        }
    }

    // MARK: Settings

    private var nodeSettings: NodeSettings {
        var settings = NodeSettings(
            server: ServerID(configuration.node),
            members: configuration.members.map { member in
                Member(
                    id: ServerID(member.id), peerHost: member.peer.host, peerPort: member.peer.port,
                    clientHost: member.client.host, clientPort: member.client.port)
            })
        settings.incarnation = configuration.incarnation
        let raft = configuration.raft
        let election = raft.electionTimeoutMilliseconds
        settings.raft.heartbeatIntervalMilliseconds = UInt64(raft.heartbeatMilliseconds)
        settings.raft.electionTimeoutMilliseconds =
            UInt64(election.lowerBound)...UInt64(election.upperBound)
        settings.raft.unreachableLeaderDelayMilliseconds = UInt64(
            raft.unreachableLeaderDelayMilliseconds)
        settings.raft.maximumUncommittedBytes = configuration.limits.uncommittedBytes
        settings.raft.entriesKeptBehindSnapshot = configuration.snapshot.keepEntries
        settings.graceMilliseconds = UInt64(configuration.sessions.graceMilliseconds)
        settings.requestTimeoutMilliseconds = UInt64(
            configuration.limits.requestTimeoutMilliseconds)
        settings.maximumPendingCalls = configuration.limits.requestsInFlight
        settings.maximumSubscribers = configuration.limits.eventStreams
        settings.snapshotEveryEntries = UInt64(configuration.snapshot.everyEntries)
        return settings
    }

    private var transportConfiguration: PeerTransport.Configuration {
        PeerTransport.Configuration(
            clusterID: configuration.clusterID, clusterName: configuration.cluster,
            serverID: ServerID(configuration.node),
            peers: configuration.members.filter { $0.id != configuration.node }.map { member in
                PeerTransport.Peer(
                    id: ServerID(member.id), host: member.peer.host, port: member.peer.port)
            },
            listenHost: configuration.peerListen.host, listenPort: configuration.peerListen.port,
            memberDigest: configuration.memberDigest,
            // Dead links are noticed within two election timeouts without TCP's help (N8).
            linkTimeoutMilliseconds: UInt64(
                2 * configuration.raft.electionTimeoutMilliseconds.lowerBound))
    }

    private var edgeSettings: EdgeSettings {
        var settings = EdgeSettings(
            host: configuration.clientListen.host, port: configuration.clientListen.port)
        settings.maximumConnections = configuration.limits.clientConnections
        settings.maximumConnectionsPerAddress = configuration.limits.clientConnectionsPerAddress
        return settings
    }

    // MARK: Events

    /// The node must not answer anything any more: the process ends at once, without any clean-up.
    private static func halt(_ reason: LatchNode.HaltReason, _ logger: Logger) {
        logger.critical("halted", metadata: ["reason": "\(reason)"])
        let code: ExitStatus
        switch reason {
        case .storage: code = .diskFailure
        case .invariant: code = .invariantViolated
        }
        LogSink.standardError.flush()
        _exit(code.rawValue)
    }

    private static func log(_ event: EdgeEvent, _ logger: Logger) {
        switch event {
        case .connectionRefused(let limit):
            logger.warning("client connection refused", metadata: ["limit": "\(limit)"])
        case .hostilePeer(let reason, let address):
            logger.warning(
                "client connection closed",
                metadata: ["reason": "\(reason)", "address": "\(address)"])
        case .silentPeer(let address):
            logger.info("client answered no ping", metadata: ["address": "\(address)"])
        case .connectionFailed(let reason, let address):
            logger.info(
                "client connection failed",
                metadata: ["reason": "\(reason)", "address": "\(address)"])
        case .drainCut(let openCalls):
            logger.info("open calls were cut", metadata: ["calls": "\(openCalls)"])
        case .suppressed(let count):
            logger.warning("client events left out of the log", metadata: ["count": "\(count)"])
        }
    }
}
