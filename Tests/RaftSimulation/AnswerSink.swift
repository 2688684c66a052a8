import LatchMachine
import LatchNode
import NIOCore

/// The client's connection at one node, for one attempt of a call or one carriage of a stream.
final class AnswerSink: SubscriberSink, @unchecked Sendable {
    let loop: any EventLoop
    private let onResult: (NodeResult) -> Void
    private let onFrame: (Frame) -> Void
    private let onAbandon: (AbandonReason) -> Void
    private(set) var isCompleted = false
    private let onTwice: () -> Void
    /// The stream it serves, and the last frame it got; nil while that is not known.
    private(set) var stream: StreamKey?
    private(set) var lastResponseID: UInt64?
    /// Nothing more has to come: closed, abandoned, or cancelled by its client.
    var isEnded = false
    /// A frame that does not follow the one before it.
    private(set) var gap: String?

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
        if case .answer(.streamOpened(let key, let replay), _) = result {
            stream = key
            for frame in replay { note(frame) }
        }
        onResult(result)
    }

    func deliver(_ frame: Frame) {
        note(frame)
        onFrame(frame)
    }

    func abandon(_ reason: AbandonReason) {
        isEnded = true
        onAbandon(reason)
    }

    private func note(_ frame: Frame) {
        if let last = lastResponseID, frame.responseID != last + 1 {
            gap = "frame \(frame.responseID) after \(last)"
        }
        lastResponseID = frame.responseID
        if case .close = frame.content { isEnded = true }
    }
}
