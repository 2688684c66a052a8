import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import NIOCore
import SwiftProtobuf
import Synchronization

extension LatchService {
    func observe(_ call: Call, _ bytes: UnsafeRawBufferPointer, _ cache: ObserveCache) {
        call.serve(Latchd_V1_ObserveRequest.self, bytes) { request throws(Failure) in
            let name = try LatchRequest.name(request.latch, isPresent: request.hasLatch)
            let heartbeat = try LatchRequest.heartbeat(request.heartbeatMs)
            let stream = ObserveStream(
                call, node: node, name, cache,
                ObserveProgress(afterToken: request.afterToken, afterIndex: request.afterIndex),
                heartbeatMilliseconds: heartbeat)
            stream.start(from: request.afterIndex)
        }
    }
}

/// One Observe call. Confined to the call's loop.
///
/// It conflates: while the reader has not taken what was sent, newer states take each other's
/// place, and the terms are told from the reader's own cursor, so that none is left out.
final class ObserveStream: ObserverSink, @unchecked Sendable {
    private let call: Call
    private let node: LatchNode
    private let name: PrimitiveName
    private let cache: ObserveCache
    private var progress: ObserveProgress
    private var last: (view: LatchView?, index: UInt64)?
    private var isPending = false
    private var pulse: Pulse

    /// For so long a node that is behind the reader, or knows no leader, may let it wait.
    private static let patience = TimeAmount.seconds(5)

    init(
        _ call: Call, node: LatchNode, _ name: PrimitiveName, _ cache: ObserveCache,
        _ progress: ObserveProgress, heartbeatMilliseconds: Int64
    ) {
        self.call = call
        self.node = node
        self.name = name
        self.cache = cache
        self.progress = progress
        pulse = Pulse(milliseconds: heartbeatMilliseconds)
    }

    var loop: any EventLoop { call.loop }

    func start(from index: UInt64) {
        call.onCancel = { [self] in stop() }
        node.submit(.observe(name, minimumIndex: index, self))
        loop.scheduleTask(in: Self.patience) { [weak self] in self?.giveUpWaiting(for: index) }
    }

    func show(_ view: LatchView?, index: UInt64) {
        guard call.isOpen else { return }
        last = (view, index)
        if call.bufferedBytes > 0 {
            isPending = true
            call.onDrained = { [self] in tellPending() }
        } else {
            tell(view, index)
        }
    }

    func end(_ failure: NodeFailure) {
        guard call.isOpen else { return }
        pulse.stop()
        call.fail(Failure(failure))
    }

    private func tellPending() {
        call.onDrained = nil
        guard isPending, let last else { return }
        isPending = false
        tell(last.view, last.index)
    }

    private func tell(_ view: LatchView?, _ index: UInt64) {
        if let message = cache.message(name, view, index, &progress) {
            call.send(message)
        } else {
            call.fail(Failure(reason: .invalid, message: "the latch's state does not encode"))
            stop()
        }
        pulse.sent(on: loop) { [weak self] in self?.beat() }
    }

    private func beat() {
        guard call.isOpen, let last else { return }
        // A node that is cut off does not know that nothing changed.
        if call.bufferedBytes == 0, node.status.readiness == .ready {
            call.send(
                Latchd_V1_ObserveResponse.with {
                    if let view = last.view { $0.state = Latchd_V1_LatchState(view) }
                    $0.index = last.index
                    $0.heartbeat = true
                })
        }
        pulse.sent(on: loop) { [weak self] in self?.beat() }
    }

    private func giveUpWaiting(for index: UInt64) {
        guard call.isOpen, last == nil else { return }
        stop()
        call.fail(
            Failure(
                reason: .noLeader,
                message: "this node has not come to index \(index) in time, or knows no leader; "
                    + "nothing is lost, observe from another node"))
    }

    private func stop() {
        pulse.stop()
        node.submit(.stopObserving(name, self))
    }
}

/// The newest message to observers, encoded once for all who know equally much.
final class ObserveCache: Sendable {
    private struct Entry {
        let name: PrimitiveName
        let index: UInt64
        let before: ObserveProgress
        let after: ObserveProgress
        let message: FramedMessage
    }

    private let newest = Mutex<Entry?>(nil)

    /// The message for a reader that has come so far, and how far it is then; nil if it does not
    /// encode.
    func message(
        _ name: PrimitiveName, _ view: LatchView?, _ index: UInt64,
        _ progress: inout ObserveProgress
    ) -> FramedMessage? {
        let found = newest.withLock { entry -> Entry? in
            guard let entry, entry.index == index, entry.before == progress, entry.name == name
            else { return nil }
            return entry
        }
        if let found {
            progress = found.after
            return found.message
        }
        let before = progress
        let (terms, isReset) = progress.advance(to: view)
        let response = Latchd_V1_ObserveResponse.with {
            if let view { $0.state = Latchd_V1_LatchState(view) }
            $0.index = index
            $0.terms = terms
            $0.reset = isReset
        }
        guard let message = try? FramedMessage(response) else { return nil }
        let entry = Entry(
            name: name, index: index, before: before, after: progress, message: message)
        newest.withLock { $0 = entry }
        return message
    }
}
