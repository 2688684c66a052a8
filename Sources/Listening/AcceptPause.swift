import NIOCore
package import NIOPosix

/// Pauses accepting for a moment when a connection cannot be accepted, most often for want of
/// descriptors (P6). The connection waits in the kernel meanwhile. Without the pause the loop would
/// try on and on; on the loop of the peer port the node itself runs.
///
/// NIO's own `AcceptBackoffHandler` holds back `read`, but after an error the listener is still
/// registered and asks for no `read`: only switching `autoRead` off takes it out of the selector.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(100)
    private var isPaused = false

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        guard !isPaused else { return }
        isPaused = true
        setReading(false, context)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            let (handler, context) = bound.value
            handler.isPaused = false
            if context.channel.isActive { handler.setReading(true, context) }
        }
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        // Fails only when the listener is closed, and then there is nothing to read.
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }
}

extension ServerBootstrap {
    /// The listener pauses for a moment whenever it cannot accept a connection.
    package func pausingWhenNothingCanBeAccepted() -> ServerBootstrap {
        serverChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(AcceptPause())
            }
        }
    }
}
