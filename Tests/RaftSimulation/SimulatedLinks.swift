import LatchNode
import PeerTransport
import RaftCore

/// A node's links to its peers in virtual time.
///
/// A stream link keeps its order, stalls while the way is cut, and breaks after a while with
/// everything on it; then it is dialled again. Without streams each Raft message goes its own way.
final class SimulatedLinks: PeerLinks {
    struct Link {
        var isUp = false
        /// Grows when the link breaks: what was on its way belongs to an older one.
        var epoch = 0
        /// The peer's process at the other end.
        var peerLife = 0
        /// It was up once and was lost, so that a refused reconnect is evidence.
        var wasLost = false
        var brokenSince: UInt64?
        var lastArrival: UInt64 = 0
        var lastSnapshotArrival: UInt64 = 0
        /// Frames that wait for the way to come back.
        var stalled: [PeerFrame] = []
        var onTheirWay = 0
        var retryAt: UInt64 = 0
    }

    private let simulation: Simulation
    let process: SimulatedProcess
    let onEvent: (PeerEvent) -> Void
    private(set) var links: [Link]

    init(
        _ simulation: Simulation, _ process: SimulatedProcess,
        _ onEvent: @escaping (PeerEvent) -> Void
    ) {
        self.simulation = simulation
        self.process = process
        self.onEvent = onEvent
        links = Array(repeating: Link(), count: simulation.processes.count)
    }

    func start() async throws {}
    func shutdown() async {}
    func flush() {}

    func isConnected(_ server: ServerID) -> Bool {
        let target = Int(server.rawValue) - 1
        return links.indices.contains(target) && links[target].isUp
    }

    func send(_ frame: PeerFrame, to server: ServerID) -> Bool {
        let target = Int(server.rawValue) - 1
        simulation.noteSend(frame, to: server, by: process)
        guard links.indices.contains(target), target != process.position, links[target].isUp
        else { return false }
        let isTaken =
            simulation.options.network.isStream
            ? sendOnStream(frame, to: target) : sendAlone(frame, to: target)
        guard isTaken else { return false }
        simulation.check { () throws(Violation) in
            try process.handedCalls.noteSent(frame, by: process.id)
        }
        return true
    }

    // MARK: Each frame alone

    private func sendAlone(_ frame: PeerFrame, to target: Int) -> Bool {
        if simulation.keepsBack(frame, from: process, to: target) { return true }
        var arrivals = simulation.network.arrivals(
            from: process.position, to: target, at: simulation.now, &simulation.generator)
        if frame.isAnswerToNode, !simulation.areFaultsOver {
            let late = simulation.options.network.answerDelayMilliseconds
            let delay = simulation.generator.draw(from: late)
            arrivals = arrivals.map { $0 + delay }
        }
        simulation.noteArrivals(arrivals)
        // Only Raft's own messages are proof against a second copy.
        let copies = if case .raft = frame { arrivals } else { Array(arrivals.prefix(1)) }
        for time in copies {
            simulation.time.at(time) { [simulation, process] in
                simulation.deliver(frame, from: process.id, to: simulation.processes[target])
            }
        }
        return true
    }

    // MARK: Streams

    private func sendOnStream(_ frame: PeerFrame, to target: Int) -> Bool {
        let network = simulation.options.network
        if links[target].stalled.count + links[target].onTheirWay >= network.bufferedFrames {
            simulation.mark(.bufferFull)
            return false
        }
        if !simulation.areFaultsOver,
            simulation.generator.happens(permille: network.lossPermille / 10)
        {
            simulation.mark(.lostFrame)
            simulation.time.after(0) { [self] in takeDown(target) }
            return true
        }
        if simulation.network.isCut(from: process.position, to: target)
            || !links[target].stalled.isEmpty
        {
            simulation.mark(.stalledFrames)
            links[target].stalled.append(frame)
        } else {
            put(frame, to: target)
        }
        return true
    }

    private func put(_ frame: PeerFrame, to target: Int) {
        let delay = simulation.networkDelay()
        var time = simulation.now + delay
        if frame.isSnapshotChunk {
            time = max(time + delay, links[target].lastSnapshotArrival)
            links[target].lastSnapshotArrival = time
        } else {
            time = max(time, links[target].lastArrival)
            links[target].lastArrival = time
        }
        let epoch = links[target].epoch
        links[target].onTheirWay += 1
        simulation.time.at(time) { [self] in arrive(frame, at: target, epoch) }
    }

    private func arrive(_ frame: PeerFrame, at target: Int, _ epoch: Int) {
        guard links[target].epoch == epoch else {
            return simulation.mark(.staleFrameAfterReconnect)
        }
        links[target].onTheirWay -= 1
        guard links[target].peerLife == simulation.processes[target].life else { return }
        if simulation.network.isCut(from: process.position, to: target) {
            links[target].stalled.append(frame)
        } else {
            simulation.deliver(frame, from: process.id, to: simulation.processes[target])
        }
    }

    // MARK: The life of a link

    /// Looks at the link to `peer`: dials, notices that it is dead, lets go on what had stalled.
    func tick(_ target: Int) {
        let peer = simulation.processes[target]
        let isPassable = simulation.network.isPassable(process.position, target)
        guard links[target].isUp else { return dial(target, peer, isPassable) }
        if links[target].peerLife != peer.life || peer.node == nil {
            if isPassable { return takeDown(target) }
        } else if (isPassable || !simulation.options.network.isStream) && !peer.isStopped {
            links[target].brokenSince = nil
            if links[target].stalled.isEmpty { return }
            let waiting = links[target].stalled
            links[target].stalled = []
            for frame in waiting { put(frame, to: target) }
            return
        }
        let since = links[target].brokenSince ?? simulation.now
        links[target].brokenSince = since
        if simulation.now - since > simulation.linkTimeout {
            simulation.mark(.linkTimedOut)
            takeDown(target)
        }
    }

    private func dial(_ target: Int, _ peer: SimulatedProcess, _ isPassable: Bool) {
        guard links[target].retryAt <= simulation.now else { return }
        links[target].retryAt = simulation.now + simulation.generator.draw(from: 10...60)
        guard isPassable else { return }
        if peer.isRunning {
            links[target].isUp = true
            links[target].epoch += 1
            links[target].peerLife = peer.life
            links[target].wasLost = false
            links[target].brokenSince = nil
            links[target].onTheirWay = 0
            simulation.mark(.linkUp)
            process.handedCalls.noteLinkUp()
            emit(.linkUp(peer.id))
        } else if peer.node == nil, links[target].wasLost,
            simulation.generator.happens(permille: simulation.options.trueEvidencePermille)
        {
            simulation.mark(.unreachablePeer)
            emit(.unreachable(peer.id))
        }
    }

    /// The connection ends, with all that is on it.
    func takeDown(_ target: Int) {
        guard links[target].isUp else { return }
        links[target].isUp = false
        links[target].wasLost = true
        links[target].epoch += 1
        links[target].onTheirWay = 0
        links[target].stalled = []
        links[target].retryAt = simulation.now + simulation.generator.draw(from: 0...20)
        simulation.mark(.linkDown)
        emit(.linkDown(ServerID(UInt16(target + 1))))
    }

    func emit(_ event: PeerEvent) {
        process.loop?.run { [self] in
            simulation.trace.note("\(process.id) < \(event)")
            onEvent(event)
        }
    }
}

extension PeerFrame {
    fileprivate var isSnapshotChunk: Bool {
        guard case .raft(let message) = self, case .installSnapshot = message.body else {
            return false
        }
        return true
    }
}
