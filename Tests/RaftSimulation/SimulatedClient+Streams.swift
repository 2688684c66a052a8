import LatchMachine
import LatchNode
import RaftCore

/// An Events stream as its client sees it (I17).
struct ClientStream {
    /// The highest index its client had seen when it asked.
    let seen: UInt64
    /// The last frame received in order.
    var last: UInt64 = 0
    /// Carriages that were asked for; each is one call at one node.
    var carriages = 0
    /// The carriage that serves the stream now, and the next frame it must bring; nil: any.
    var attached: (carriage: Int, process: SimulatedProcess, life: Int, sink: AnswerSink)?
    var expected: UInt64?
    var isClosed = false
    /// When the carriage was asked for.
    var askedAt: UInt64 = 0
    var retryAt: UInt64 = 0
}

extension SimulatedClient {
    /// Asks for every stream that nobody serves, and sometimes changes the node.
    func tendStreams() {
        guard let session else { return }
        for id in streams.keys.sorted() {
            guard let stream = streams[id], !stream.isClosed else { continue }
            if let attached = stream.attached {
                let isGone = attached.process.life != attached.life || attached.process.node == nil
                let leaves = simulation.generator.happens(
                    permille: simulation.options.clients.reconnectPermille)
                guard isGone || (leaves && !simulation.areFaultsOver) else { continue }
                if !isGone, simulation.generator.happens(permille: 500) {
                    // Half of all clients just vanish; the others say so.
                    attached.sink.isEnded = true
                    attached.process.node?.submit(
                        .unsubscribe(StreamKey(session: session, stream: id), attached.sink))
                }
                streams[id]?.attached = nil
                streams[id]?.expected = nil
            } else if stream.retryAt > simulation.now {
                continue
            }
            subscribe(id, of: session)
        }
    }

    private func subscribe(_ id: UInt64, of session: SessionID) {
        guard let stream = streams[id] else { return }
        let carriage = stream.carriages + 1
        streams[id]?.carriages = carriage
        streams[id]?.askedAt = simulation.now
        // At last they have patience, as programs should: a storm of retries outlasts its cause.
        let patience: UInt64 = simulation.areClientsStopped ? 20 : 1
        streams[id]?.retryAt =
            simulation.now + patience
            * simulation.generator.draw(from: simulation.options.clients.retryMilliseconds)
        let process =
            simulation.processes[simulation.generator.below(simulation.processes.count)]
        let command = Command.openStream(name, session, requestID: id, index: stream.seen)
        let life = process.life
        // Frames of one connection stay in order.
        let connection = Connection(simulation)
        simulation.time.after(simulation.generator.draw(from: 0...5)) { [self] in
            guard let node = process.node, let edge = process.edge, process.life == life else {
                return
            }
            weak var weakSink: AnswerSink?
            let sink = AnswerSink(
                loop: edge, onTwice: { [self] in simulation.failTwice() },
                onFrame: { frame in
                    connection.deliver { [self] in take(frame, session, id, carriage) }
                },
                onAbandon: { reason in
                    connection.deliver { [self] in leave(session, id, carriage, reason) }
                },
                onResult: { [self] result in
                    guard !simulation.losesReply() else { return }
                    guard let sink = weakSink else { return }
                    connection.deliver { [self] in
                        take(result, session, id, carriage, (process, life, sink))
                    }
                })
            weakSink = sink
            process.sinks.append(sink)
            node.submit(.subscribe(command, sink))
        }
    }

    /// One connection's way back to its client.
    private final class Connection {
        private let simulation: Simulation
        private var last: UInt64 = 0

        init(_ simulation: Simulation) { self.simulation = simulation }

        func deliver(_ body: @escaping () -> Void) {
            last = max(last, simulation.now + simulation.generator.draw(from: 0...5))
            simulation.time.at(last, body)
        }
    }

    private func take(
        _ result: NodeResult, _ session: SessionID, _ id: UInt64, _ carriage: Int,
        _ place: (process: SimulatedProcess, life: Int, sink: AnswerSink)
    ) {
        guard self.session == session, let stream = streams[id], !stream.isClosed else { return }
        simulation.trace.note("client \(number) stream \(id) carriage \(carriage): \(result)")
        switch result {
        case .answer(.streamOpened(let key, let replay), _):
            noteAnswered(id)
            guard carriage >= (stream.attached?.carriage ?? 0), carriage == stream.carriages
            else { return }
            simulation.mark(carriage == 1 ? .openedStream : .resumedElsewhere)
            if replay.count > 1 { simulation.mark(.replayedFrames) }
            streams[id]?.attached = (carriage, place.process, place.life, place.sink)
            streams[id]?.expected = replay.first?.responseID
            for frame in replay { take(frame, key.session, id, carriage) }
        case .answer(.refused(let rejection), _):
            noteAnswered(id)
            streams[id]?.isClosed = true
            // Its answer was seen, so only the ring can have lost it.
            if rejection == .alreadyAcknowledged, stream.attached != nil {
                simulation.mark(.endedByRing)
            }
            if rejection == .unknownSession, call == nil { forgetSession() }
        case .failed(let failure):
            simulation.note(failure)
            streams[id]?.retryAt = simulation.now + simulation.generator.draw(from: 0...20)
        case .answer, .renewed, .latch, .unknownSession, .latches, .primitives,
            .status, .view, .localView:
            break
        }
    }

    private func take(_ frame: Frame, _ session: SessionID, _ id: UInt64, _ carriage: Int) {
        guard self.session == session, let stream = streams[id],
            stream.attached?.carriage == carriage, !stream.isClosed
        else { return }
        let key = StreamKey(session: session, stream: id)
        simulation.check { () throws(Violation) in
            try simulation.truth.checkFrame(frame, of: key)
            try require(
                frame.responseID <= stream.last + 1, "I17 event streams",
                "\(key) jumps from \(stream.last) to \(frame.responseID) at its client")
            try require(
                stream.expected == nil || stream.expected == frame.responseID,
                "I17 event streams",
                "\(key) brings \(frame.responseID) in place of \(stream.expected ?? 0)")
        }
        simulation.history.noteFrame(
            frame, of: key, name, by: number, invoked: stream.askedAt, at: simulation.now)
        streams[id]?.expected = frame.responseID + 1
        if frame.responseID > stream.last {
            streams[id]?.last = frame.responseID
            simulation.mark(.framesInOrder)
        }
        if case .close = frame.content {
            streams[id]?.isClosed = true
            streams[id]?.attached = nil
            simulation.mark(.closedStream)
        }
    }

    private func leave(
        _ session: SessionID, _ id: UInt64, _ carriage: Int, _ reason: AbandonReason
    ) {
        switch reason {
        case .takenOver: simulation.mark(.abandonedTaken)
        case .lagged: simulation.mark(.abandonedLagged)
        case .shuttingDown: break
        }
        guard self.session == session, streams[id]?.attached?.carriage == carriage else { return }
        streams[id]?.attached = nil
        streams[id]?.expected = nil
        streams[id]?.retryAt = simulation.now
        simulation.mark(.resumedStream)
    }

    /// Streams that should still bring something, in words.
    var openStreams: [String] {
        guard let session else { return [] }
        return streams.keys.sorted().compactMap { id in
            guard let stream = streams[id], !stream.isClosed else { return nil }
            return "client \(number) \(session)/\(id) after frame \(stream.last), "
                + (stream.attached.map { "served by \($0.process.id)" } ?? "served by nobody")
        }
    }
}
