import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import RaftCore

/// What the other members' sites say of them, asked once a second while somebody looks.
actor PeerPages {
    private static let freshness = Duration.milliseconds(900)
    private static let patience = TimeAmount.milliseconds(700)
    /// More is no picture of a node.
    fileprivate static let maximumBytes = 64 << 10

    private let pages: [ServerID: PageAddress]
    private let group: any EventLoopGroup
    private var pictures: [UInt16: NodePicture] = [:]
    private var takenAt: ContinuousClock.Instant?
    private var underWay: Task<[UInt16: NodePicture], Never>?

    init(_ pages: [ServerID: PageAddress], group: any EventLoopGroup) {
        self.pages = pages
        self.group = group
    }

    /// The newest pictures; those who could not be asked are missing.
    func current() async -> [UInt16: NodePicture] {
        if let takenAt, takenAt.duration(to: .now) < Self.freshness { return pictures }
        if let underWay { return await underWay.value }
        let (pages, group) = (pages, group)
        let task = Task { await Self.ask(pages, group) }
        underWay = task
        pictures = await task.value
        underWay = nil
        takenAt = .now
        return pictures
    }

    private static func ask(
        _ pages: [ServerID: PageAddress], _ group: any EventLoopGroup
    ) async -> [UInt16: NodePicture] {
        await withTaskGroup(of: NodePicture?.self) { tasks in
            for (id, page) in pages {
                tasks.addTask {
                    guard let bytes = try? await get(page, group),
                        let picture = try? JSONDecoder().decode(NodePicture.self, from: bytes),
                        picture.id == id.rawValue
                    else { return nil }
                    return picture
                }
            }
            var pictures: [UInt16: NodePicture] = [:]
            for await picture in tasks {
                if let picture { pictures[picture.id] = picture }
            }
            return pictures
        }
    }

    private static func get(_ page: PageAddress, _ group: any EventLoopGroup) async throws -> Data {
        let loop = group.next()
        let promise = loop.makePromise(of: Data.self)
        let timeout = loop.scheduleTask(in: patience) { promise.fail(ChannelError.alreadyClosed) }
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(patience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(Getter(page, promise))
                }
            }
            .connect(host: page.host, port: page.port)
        connecting.whenFailure { promise.fail($0) }
        promise.futureResult.whenComplete { _ in
            timeout.cancel()
            connecting.whenSuccess { $0.close(promise: nil) }
        }
        return try await promise.futureResult.get()
    }
}

/// Asks one site for its node's picture and collects the answer.
private final class Getter: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let page: PageAddress
    private let promise: EventLoopPromise<Data>
    private var body: [UInt8] = []
    private var isOK = false

    init(_ page: PageAddress, _ promise: EventLoopPromise<Data>) {
        self.page = page
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let headers: HTTPHeaders = ["host": "\(page)", "connection": "close"]
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/api/node", headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): isOK = head.status == .ok
        case .body(let part):
            body += part.readableBytesView
            if body.count > PeerPages.maximumBytes {
                fail(ChannelError.inappropriateOperationForState)
            }
        case .end:
            if isOK { promise.succeed(Data(body)) } else { fail(ChannelError.eof) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { fail(ChannelError.eof) }

    private func fail(_ error: any Error) { promise.fail(error) }
}
