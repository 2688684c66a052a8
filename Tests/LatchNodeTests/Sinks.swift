import LatchMachine
import LatchNode
import NIOCore
import NIOEmbedded

/// A caller that remembers nothing: the tables under test only pass it on.
final class NobodySink: SubscriberSink, @unchecked Sendable {
    let loop: any EventLoop = EmbeddedEventLoop()
    func complete(_ result: NodeResult) {}
    func deliver(_ frame: Frame) {}
    func abandon(_ reason: AbandonReason) {}
}
