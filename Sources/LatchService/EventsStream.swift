import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import NIOCore
import RaftCore
import SwiftProtobuf

/// One Events call on this node: frames in, messages out (section 8 of the contract). Confined to
/// the call's loop.
final class EventsStream: SubscriberSink, @unchecked Sendable {
    private let call: Call
    private let key: StreamKey
    private let node: LatchNode

    /// Bytes that may wait for a slow reader before its stream is ended (E8).
    private static let maximumBufferedBytes = 1 << 20

    init(_ call: Call, key: StreamKey, node: LatchNode) {
        self.call = call
        self.key = key
        self.node = node
        call.onCancel = { [self] in node.submit(.unsubscribe(key, self)) }
    }

    var loop: any EventLoop { call.loop }

    func complete(_ result: NodeResult) {
        guard call.isOpen else { return node.submit(.unsubscribe(key, self)) }
        guard case .answer(.streamOpened(_, let replay), _) = result else {
            return call.refuseStream(key, result.failure(session: key.session))
        }
        // What is replayed at once says nothing about how fast it is read.
        for frame in replay { deliver(frame, isReplay: true) }
    }

    func deliver(_ frame: Frame) {
        deliver(frame, isReplay: false)
    }

    private func deliver(_ frame: Frame, isReplay: Bool) {
        guard call.isOpen else { return node.submit(.unsubscribe(key, self)) }
        switch frame.content {
        case .open:
            send(.openStream, frame, nil)
        case .changed(let state):
            guard isReplay || call.bufferedBytes <= Self.maximumBufferedBytes else {
                return endSlowReader(frame)
            }
            send(.response, frame, state)
        case .close:
            send(.closeStream, frame, nil)
            call.finish()
        }
    }

    /// The reader is too slow: the stream closes in sequence, in place of the frame that found the
    /// buffer full.
    private func endSlowReader(_ frame: Frame) {
        node.submit(.unsubscribe(key, self))
        send(.closeStream, frame, nil)
        call.finish(
            trailers: Failure(reason: .overloaded, message: "events were read too slowly").trailers)
    }

    func abandon(_ reason: AbandonReason) {
        guard call.isOpen else { return }
        switch reason {
        case .takenOver:
            call.finish()
        case .lagged(let last):
            let frame = Frame(responseID: last + 1, index: 0, content: .close)
            send(.closeStream, frame, nil)
            call.finish(
                trailers: Failure(reason: .gap, message: "events between are no longer kept")
                    .trailers)
        case .shuttingDown:
            moveElsewhere()
        }
    }

    /// The one redirection that an open stream of a stock client survives: it re-opens at the
    /// address with the same request id, and no event is lost (C5).
    private func moveElsewhere() {
        let status = node.status
        let others = node.settings.members.filter { $0.id != node.settings.server }
        let target =
            others.first { $0.id == status.raft.leader }
            ?? others.first { status.connectedPeers.contains($0.id) }
        if let target {
            var response = Atomix_Leader_EventResponse(
                header: .with {
                    $0.status = .notLeader
                    $0.leader = "\(target.clientHost):\(target.clientPort)"
                })
            response.latch = Atomix_Leader_Latch()
            call.send(response)
        }
        call.finish()
    }

    private func send(_ type: Atomix_Headers_ResponseType, _ frame: Frame, _ state: LatchState?) {
        var response = Atomix_Leader_EventResponse(
            header: .with {
                $0.sessionID = key.session
                $0.streamID = key.stream
                $0.responseID = frame.responseID
                $0.index = frame.index
                $0.type = type
            })
        if let state { response.latch = Atomix_Leader_Latch(state) }
        call.send(response)
    }
}

extension Call {
    /// The clean refusal of a stream: opened, then one failed response, then the end (S11). A bare
    /// error would make the stock client's Watch hang for 15 s.
    func refuseStream(_ key: StreamKey, _ failure: Failure) {
        send(
            Atomix_Leader_EventResponse(
                header: .with {
                    $0.sessionID = key.session
                    $0.streamID = key.stream
                    $0.responseID = 1
                    $0.type = .openStream
                }))
        var response = Atomix_Leader_EventResponse(
            header: .with {
                $0.sessionID = key.session
                $0.streamID = key.stream
                $0.responseID = 2
                $0.status = .error
            })
        // W2: an event of type RESPONSE without a latch panics the client.
        response.latch = Atomix_Leader_Latch()
        send(response)
        finish(trailers: failure.trailers)
    }

    /// Answers a request that did not pass its checks.
    func refuse(
        _ problem: AtomixRequest.Problem,
        _ response: (Atomix_Headers_ResponseHeader) -> some SwiftProtobuf.Message
    ) {
        switch problem {
        case .malformed(let message):
            finish(GRPCStatus(code: .invalidArgument, message: message))
        case .refused(let failure):
            reply(response(.error(session: 0)), failure: failure)
        }
    }
}
