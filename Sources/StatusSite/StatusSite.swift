import Hummingbird
package import LatchNode
package import Logging
package import NIOCore
import NIOPosix
import Synchronization

/// The node's own small web site: health checks, metrics, and a page that shows the cluster.
///
/// It has threads of its own and reads the node a few times a second at most, whoever asks.
package final class StatusSite: Sendable {
    /// Those that the process shares, beside the node's and the edge's, and that are never shut
    /// down: what a connection wants of its loop when the site has ended is in vain, and no error.
    private static let group = MultiThreadedEventLoopGroup.singleton

    private let settings: SiteSettings
    private let routes: Routes
    private let viewers: Viewers
    private let logger: Logger
    private let running = Mutex(Running())

    private struct Running {
        var task: Task<Void, any Error>?
        /// The one that listens.
        var port: (any Channel)?
    }

    /// - Parameters:
    ///   - terms: the node's observer of terms.
    ///   - edge: what the client-facing side has counted; nil where there is none.
    package init(
        settings: SiteSettings, node: LatchNode, terms: TermMeter, logger: Logger,
        edge: @escaping @Sendable () async -> EdgeReading?
    ) {
        self.settings = settings
        var quiet = logger
        // Whoever connects decides what is logged here.
        quiet.logLevel = .error
        self.logger = quiet
        viewers = Viewers(limit: settings.maximumViewers)
        var others = settings.pages
        others[node.settings.server] = nil
        routes = Routes(
            settings: settings, node: node,
            readings: Readings(node: node, terms: terms, settings: settings, edge: edge),
            peers: PeerPages(others, group: Self.group),
            latches: LatchPictures(
                node: node, bound: .milliseconds(settings.livenessBoundMilliseconds)),
            viewers: viewers)
    }

    /// Starts to listen and returns the address.
    ///
    /// - Throws: what keeps it from listening; ``shutdown()`` is still due.
    package func start() async throws -> SocketAddress? {
        let (ports, found) = AsyncStream.makeStream(of: (any Channel).self)
        let viewers = viewers
        let application = Application(
            router: routes.makeRouter(),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [viewers.makeHandler()], idleTimeout: .seconds(30),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 8 << 10, maxHeaderListSize: 16 << 10,
                        maxHeaderFieldCount: 64))),
            configuration: .init(
                address: .hostname(settings.host, port: settings.port), serverName: nil),
            onServerRunning: { port in found.yield(port) },
            eventLoopGroupProvider: .shared(Self.group), logger: logger)
        // Not a child of the caller: a node that stops tells so here until the end.
        let task = Task.detached {
            defer { found.finish() }
            try await application.run()
        }
        running.withLock { $0.task = task }
        for await port in ports {
            running.withLock { $0.port = port }
            return port.localAddress
        }
        try await task.value
        return nil
    }

    /// Closes the port and every connection.
    package func shutdown() async {
        let running = running.withLock { running in
            defer { running = Running() }
            return running
        }
        // The port first: a server that is cancelled while it accepts logs that as an error. With
        // the future the server has learnt that nobody comes any more.
        try? await running.port?.close()
        try? await running.port?.closeFuture.get()
        running.task?.cancel()
        _ = await running.task?.result
    }
}
