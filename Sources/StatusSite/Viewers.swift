import NIOCore
import Synchronization

/// How many connections look at the site, and the end of those that do not read.
final class Viewers: Sendable {
    private let open = Atomic<Int>(0)
    private let limit: Int
    /// Connections of any kind, at most: health checks find room behind many viewers.
    private var mostConnections: Int { 4 * limit }

    init(limit: Int) { self.limit = limit }

    /// More are connected than may look at the page.
    var areTooMany: Bool { open.load(ordering: .relaxed) > limit }

    fileprivate func enter() -> Bool {
        open.add(1, ordering: .relaxed).newValue <= mostConnections
    }

    fileprivate func leave() { open.subtract(1, ordering: .relaxed) }

    /// One for each connection.
    func makeHandler() -> any RemovableChannelHandler { ViewerHandler(self) }
}

/// Counts one connection, and closes it if it is one too many or does not take its answer.
private final class ViewerHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private static let patience = TimeAmount.seconds(10)

    private let viewers: Viewers
    private var isCounted = false
    private var deadline: Scheduled<Void>?

    init(_ viewers: Viewers) { self.viewers = viewers }

    func handlerAdded(context: ChannelHandlerContext) {
        isCounted = true
        if !viewers.enter() { context.close(promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        if !context.channel.isWritable {
            let channel = context.channel
            deadline = context.eventLoop.scheduleTask(in: Self.patience) {
                channel.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { leave() }

    private func leave() {
        deadline?.cancel()
        deadline = nil
        guard isCounted else { return }
        isCounted = false
        viewers.leave()
    }
}
