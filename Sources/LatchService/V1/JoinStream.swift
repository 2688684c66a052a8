import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import NIOCore
import SwiftProtobuf

extension LatchService {
    func join(_ call: Call, _ bytes: UnsafeRawBufferPointer) {
        call.serve(Latchd_V1_JoinRequest.self, bytes) { request throws(Failure) in
            let (name, session) = try LatchRequest.session(
                request.session, isPresent: request.hasSession)
            let participant = try LatchRequest.participant(request.participant)
            let command = Command.latch(
                name, session, requestID: request.requestID, participant: participant)
            let stream = JoinStream(
                call, node: node, name,
                JoinView(session: session, participant: participant), once: request.noWait)
            node.submit(.command(command, stream))
        }
    }
}

/// One Join call: the command, then what becomes of the participant, as this node applies it.
/// Confined to the call's loop.
///
/// A slow reader gets the newest state only: of one that is not taken yet, a newer one takes the
/// place.
final class JoinStream: ReplySink, ObserverSink, @unchecked Sendable {
    private let call: Call
    private let node: LatchNode
    private let name: PrimitiveName
    private var participant: JoinView
    private let isOnce: Bool
    private var last: Latchd_V1_JoinResponse?
    /// What waits until the reader has taken what was sent.
    private var pending: (view: LatchView?, index: UInt64)?
    private var pulse = Pulse(milliseconds: 5_000)

    init(
        _ call: Call, node: LatchNode, _ name: PrimitiveName, _ participant: JoinView, once: Bool
    ) {
        self.call = call
        self.node = node
        self.name = name
        self.participant = participant
        isOnce = once
    }

    var loop: any EventLoop { call.loop }

    private var subject: Subject {
        Subject(name, session: participant.session, participant: participant.participant)
    }

    /// The command is decided: from here on the latch is observed.
    func complete(_ result: NodeResult) {
        guard call.isOpen else { return }
        guard case .answer(.latched(_, let joined), let index) = result else {
            return call.fail(result.failure(about: subject))
        }
        participant.joinedAt = joined
        call.onCancel = { [self] in stop() }
        node.submit(.observe(name, minimumIndex: index, self))
    }

    func show(_ view: LatchView?, index: UInt64) {
        guard call.isOpen else { return }
        if call.bufferedBytes > 0 {
            pending = (view, index)
            call.onDrained = { [self] in showPending() }
            return
        }
        tell(view, index)
    }

    func end(_ failure: NodeFailure) {
        guard call.isOpen else { return }
        pulse.stop()
        // The participant is in: whatever the node's reason is, "nothing was done" would be untrue.
        let reason = Failure(failure).message
        call.fail(
            Failure(
                reason: .outcomeUnknown,
                message: "the command was applied, but this node tells no more of it (\(reason)); "
                    + "call again, on any node, with the same request id"))
    }

    private func showPending() {
        call.onDrained = nil
        guard let (view, index) = pending else { return }
        pending = nil
        tell(view, index)
    }

    private func tell(_ view: LatchView?, _ index: UInt64) {
        let response = participant.response(to: view, index: index)
        let isNews = last.map { !$0.saysTheSame(as: response) } ?? true
        last = response
        if isNews {
            call.send(response)
            pulse.sent(on: loop) { [weak self] in self?.beat() }
        }
        if response.state == .out {
            stop()
            participant.isSessionOver(in: view) ? call.fail(subject.unknownSession) : call.finish()
        } else if isOnce {
            stop()
            call.finish()
        }
    }

    private func beat() {
        guard call.isOpen, var response = last else { return }
        // A reader that takes nothing needs no more to take. And a node that is cut off may be the
        // last to hear that the latch has passed on: it does not say that nothing changed.
        if call.bufferedBytes == 0, node.status.readiness == .ready {
            response.heartbeat = true
            call.send(response)
        }
        pulse.sent(on: loop) { [weak self] in self?.beat() }
    }

    private func stop() {
        pulse.stop()
        node.submit(.stopObserving(name, self))
    }
}

extension Latchd_V1_JoinResponse {
    /// Equal but for the index.
    fileprivate func saysTheSame(as other: Self) -> Bool {
        state == other.state && position == other.position && participants == other.participants
            && fencingToken == other.fencingToken && term == other.term
    }
}
