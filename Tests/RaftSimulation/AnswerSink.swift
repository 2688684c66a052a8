import LatchMachine
import LatchNode
import NIOCore

/// The client's connection at one node, for one attempt of a call or one carriage of a stream.
final class AnswerSink: SubscriberSink, @unchecked Sendable {
    let loop: any EventLoop
    private let onResult: (NodeResult) -> Void
    private let onFrame: (Frame) -> Void
    private let onAbandon: (AbandonReason) -> Void
    private var isCompleted = false
    private let onTwice: () -> Void

    init(
        loop: any EventLoop, onTwice: @escaping () -> Void,
        onFrame: @escaping (Frame) -> Void = { _ in },
        onAbandon: @escaping (AbandonReason) -> Void = { _ in },
        onResult: @escaping (NodeResult) -> Void
    ) {
        self.loop = loop
        self.onTwice = onTwice
        self.onResult = onResult
        self.onFrame = onFrame
        self.onAbandon = onAbandon
    }

    /// At most once, whatever happens.
    func complete(_ result: NodeResult) {
        if isCompleted { return onTwice() }
        isCompleted = true
        onResult(result)
    }

    func deliver(_ frame: Frame) { onFrame(frame) }
    func abandon(_ reason: AbandonReason) { onAbandon(reason) }
}
