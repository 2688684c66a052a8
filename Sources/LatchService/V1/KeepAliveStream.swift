import GRPCEdge
import LatchAPI
import LatchMachine
import LatchNode
import NIOCore
import SwiftProtobuf
import Synchronization

/// One KeepAlive call: a beat in, the lives of its sessions out, in order. Confined to the call's
/// loop.
final class KeepAliveStream: @unchecked Sendable {
    let call: Call
    private let node: LatchNode
    private let others: OpenKeepAlives
    private var beats = KeepAliveBeats()
    private var isHalfClosed = false

    /// Beats, and sessions in them, that may wait for the cluster before the client's next ones are
    /// not taken.
    private static let maximumBeats = 16
    private static let maximumSessions = 2 * LatchRequest.maximumSessionsOfBeat

    init(_ call: Call, node: LatchNode, among others: OpenKeepAlives) {
        self.call = call
        self.node = node
        self.others = others
    }

    func start() {
        call.onMessage = { [self] in take($0) }
        call.onHalfClose = { [self] in
            isHalfClosed = true
            answer()
        }
        call.onCancel = { [self] in others.remove(self) }
        others.add(self)
    }

    /// The node is stopping: the client goes on at another one.
    func end() {
        guard call.isOpen else { return }
        finish(Failure(.shuttingDown))
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        guard let request = call.decode(Latchd_V1_KeepAliveRequest.self, from: bytes) else {
            return others.remove(self)
        }
        do throws(Failure) {
            try renew(request)
        } catch {
            finish(error)
        }
    }

    private func renew(_ request: Latchd_V1_KeepAliveRequest) throws(Failure) {
        let most = LatchRequest.maximumSessionsOfBeat
        guard request.sessions.count <= most else {
            throw .invalid(
                "\(request.sessions.count) sessions in one request, at most \(most): send several")
        }
        var sessions: [(name: PrimitiveName, id: SessionID)] = []
        sessions.reserveCapacity(request.sessions.count)
        for session in request.sessions {
            sessions.append(try LatchRequest.session(session, isPresent: true))
        }
        let number = beats.begin(request.sequence, sessions.map(\.id))
        for (position, session) in sessions.enumerated() {
            let renewal = Renewal(
                primitive: session.name, session: session.id, acknowledgedRequestID: 0, streams: [])
            node.submit(.renew(renewal, RenewalSink(self, number, position)))
        }
        if !sessions.isEmpty { limitPatience(with: number) }
        if beats.count >= Self.maximumBeats || beats.sessions >= Self.maximumSessions {
            call.hold()
        }
        answer()
    }

    /// Of a beat that the cluster does not decide in time, the rest is answered as it is known.
    private func limitPatience(with number: UInt64) {
        let patience = TimeAmount.milliseconds(beats.patienceMilliseconds(at: milliseconds))
        call.loop.scheduleTask(in: patience) { [self] in
            beats.giveUp(number)
            answer()
        }
    }

    /// The loop's clock.
    private var milliseconds: UInt64 { call.loop.now.uptimeNanoseconds / 1_000_000 }

    fileprivate func settle(_ number: UInt64, _ position: Int, _ result: NodeResult) {
        guard call.isOpen else { return }
        let decision: KeepAliveBeats.Decision =
            switch result {
            case .renewed(true, let timeout, let view): .renewed(timeout: timeout, view)
            case .renewed(false, _, _): .lost
            case .failed, .unknownSession, .answer, .latch, .view, .localView, .latches,
                .primitives, .status:
                .unknown
            }
        beats.settle(number, position, decision, at: milliseconds)
        answer()
    }

    /// Sends what is complete, and lets the client go on.
    private func answer() {
        while let response = beats.takeComplete() { call.send(response) }
        if beats.isEmpty, isHalfClosed {
            others.remove(self)
            call.finish()
        } else if beats.count < Self.maximumBeats, beats.sessions < Self.maximumSessions {
            call.release()
        }
    }

    private func finish(_ failure: Failure) {
        others.remove(self)
        call.fail(failure)
    }
}

/// One session of one beat.
private final class RenewalSink: ReplySink, Sendable {
    private let stream: KeepAliveStream
    private let beat: UInt64
    private let position: Int

    init(_ stream: KeepAliveStream, _ beat: UInt64, _ position: Int) {
        self.stream = stream
        self.beat = beat
        self.position = position
    }

    var loop: any EventLoop { stream.call.loop }

    func complete(_ result: NodeResult) {
        stream.settle(beat, position, result)
    }
}

/// The open KeepAlive calls: they end when the node stops, since nothing else would end them.
final class OpenKeepAlives: Sendable {
    private let streams = Mutex<[ObjectIdentifier: KeepAliveStream]>([:])

    init(_ node: LatchNode) {
        node.observeReadiness { [weak self] readiness in
            if readiness == .stopping { self?.endAll() }
        }
    }

    func add(_ stream: KeepAliveStream) {
        streams.withLock { $0[ObjectIdentifier(stream)] = stream }
    }

    func remove(_ stream: KeepAliveStream) {
        _ = streams.withLock { $0.removeValue(forKey: ObjectIdentifier(stream)) }
    }

    private func endAll() {
        let all = streams.withLock { Array($0.values) }
        for stream in all {
            stream.call.loop.execute { stream.end() }
        }
    }
}
