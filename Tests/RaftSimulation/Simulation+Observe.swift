import LatchMachine
import LatchNode
import PeerTransport
import RaftCore

// What the observers see of the nodes: each turn, each write, each message.

/// Hands a node's turns to its simulation. Nodes hold their observer weakly, which slows down all
/// counting of references to it; a simulation has very many.
final class TurnRelay: TurnObserver {
    private var simulation: Simulation?

    init(_ simulation: Simulation) { self.simulation = simulation }

    /// Breaks the cycle with the simulation.
    func end() { simulation = nil }

    func willExecute(_ effects: borrowing Effects, of node: LatchNode) {
        simulation?.willExecute(effects, of: node)
    }

    func didTurn(_ node: LatchNode) { simulation?.didTurn(node) }
}

extension Simulation {
    func willExecute(_ effects: borrowing Effects, of node: LatchNode) {
        let process = processes[Int(node.settings.server.rawValue) - 1]
        guard process.node === node || process.node == nil else { return }
        marks.turns += 1
        process.turns += 1
        // One copy of this large value for the whole turn.
        let raft = node.raft
        trace.fold(
            2, now, UInt64(process.position), raft.currentTerm.rawValue,
            raft.commitIndex.rawValue, raft.log.lastIndex.rawValue,
            UInt64(effects.decisions.count), UInt64(effects.sendNow.count))
        for decision in effects.decisions { note(decision, of: process, node) }
        check { () throws(Violation) in
            try require(!process.isHalted, "D1 disk", "\(process.id) goes on after its halt")
            try observer.noteStep(process.position, raft)
            try require(
                effects.persist != nil || effects.sendAfterPersist.isEmpty,
                "I10 durable before send", "\(process.id) holds messages back for no write")
            try require(
                effects.proposals.isEmpty, "C17 answered once",
                "\(process.id) forgets the fate of a proposal")
        }
        checkReads(effects, of: process)
        if effects.restore != nil {
            mark(.restoredAtNewNode)
            process.isRestoring = true
        }
    }

    func didTurn(_ node: LatchNode) {
        let process = processes[Int(node.settings.server.rawValue) - 1]
        guard process.node === node else { return }
        check { () throws(Violation) in
            let raft = node.raft
            try noteApplied(by: process, node, raft)
            try checkLeader(process, raft)
            try checkBytes(of: process, raft)
        }
        if process.isRestoring { expectStreamsToResume(at: process, node) }
        // It ends the process: what was found before it has a name, and is to be told.
        guard violation == nil else { return }
        node.raft.checkInvariants()
        check { () throws(Violation) in
            try checkBounds(node.status, of: process)
            // Machines that are equal keep or break them together: the true one is looked at after
            // each entry, and each of the others now and then.
            if process.turns % 64 == 0 { try checkMachine(node.machine, "\(process.id)") }
        }
    }

    private func checkMachine(
        _ machine: LatchMachine, _ place: @autoclosure () -> String
    ) throws(Violation) {
        let broken = machine.brokenInvariants()
        try require(
            broken.isEmpty, "I13 machine", "\(place()): \(broken.joined(separator: ", "))")
    }

    private func noteApplied(
        by process: SimulatedProcess, _ node: LatchNode, _ raft: Raft
    ) throws(Violation) {
        let applied = raft.lastApplied
        try require(
            node.machine.lastApplied == applied.rawValue, "I9 index chain",
            "\(process.id)'s machine is at \(node.machine.lastApplied), its log at \(applied)")
        guard applied > process.seenApplied else { return }
        var index = process.seenApplied.next()
        process.seenApplied = applied
        while index <= applied {
            // What a snapshot brought has no entry here; its digest tells.
            if let entry = raft.log.entry(at: index) {
                try noteApplied(entry, by: process, raft.currentTerm)
            }
            index = index.next()
        }
        let digest = node.machine.digest
        trace.fold(5, applied.rawValue, digest)
        try observer.noteDigest(digest, at: applied, of: process.id)
    }

    private func noteApplied(
        _ entry: Entry, by process: SimulatedProcess, _ term: Term
    ) throws(Violation) {
        let isFirst = try observer.noteApplied(
            entry, by: process.id, in: term, disks: processes.lazy.map(\.disk))
        guard isFirst else { return }
        trace.fold(4, entry.index.rawValue, entry.term.rawValue)
        if entry.term < term { mark(.committedOldTerm) }
        let applied = try truth.apply(entry, at: now)
        try checkMachine(truth.machine, "after entry \(entry.index)")
        try observer.noteDigest(truth.machine.digest, at: entry.index, of: process.id)
        guard let (record, outcomes) = applied else { return }
        trace.note("          entry \(entry.index): \(record.command) gives \(outcomes)")
        note(record, outcomes)
    }

    func noteStart(of process: SimulatedProcess, _ node: LatchNode) {
        let raft = node.raft
        process.seenApplied = raft.lastApplied
        check { () throws(Violation) in
            try observer.noteStart(process.position, raft)
            try observer.noteDigest(node.machine.digest, at: raft.lastApplied, of: process.id)
        }
        trace.note("\(process.id) starts: \(raft.status.summary)")
        trace.fold(
            1, UInt64(process.position), raft.currentTerm.rawValue, raft.log.lastIndex.rawValue)
        guard process.life > 1 else { return }
        mark(.restarted)
        if raft.snapshot != nil { mark(.restartedFromSnapshot) }
        if raft.log.lastIndex == .zero { mark(.restartedEmpty) }
    }

    private func note(_ decision: Decision, of process: SimulatedProcess, _ node: LatchNode) {
        trace.note("\(process.id): \(decision)")
        if let mark = Mark(decision) { self.mark(mark) }
        switch decision {
        case .becameLeader(let term, _):
            planAmbush(on: process)
            planRelease(to: process)
            process.ledSince = now
            check { () throws(Violation) in try checkVotes(for: process, in: term) }
            if process.ledTerm > .zero { mark(.becameLeaderAgain) }
            process.ledTerm = term
        case .lostElection(_, isPreVote: false):
            mark(.splitVote)
        case .committed(let index):
            if index.rawValue > observer.commitIndex.rawValue + 4 { mark(.committedMany) }
        case .startedElection where node.raft.snapshot == nil && observer.commitIndex > .zero:
            if node.raft.lastApplied == .zero { mark(.electionWhileSnapshotArrives) }
        case .installedSnapshot:
            if node.status.subscribers > 0 { mark(.installedUnderSubscribers) }
            if node.status.pendingCalls > 0 { mark(.installedUnderCalls) }
        // default: open set (only these decisions mean more than their own mark)
        default:
            break
        }
    }

    // MARK: Disk

    func noteWrite(_ persist: Persist, by process: SimulatedProcess) {
        trace.note("\(process.id) writes \(persist.summary) as \(persist.id)")
        check { () throws(Violation) in
            try require(
                persist.id.rawValue == process.lastPersistID.rawValue + 1, "persist ids",
                "\(persist.id) follows \(process.lastPersistID)")
            process.lastPersistID = persist.id
            guard let node = process.node else { return }
            if let first = persist.append.first {
                try observer.noteLog(of: node.raft, from: first.index)
            }
            if node.raft.role == .leader {
                for entry in persist.append where entry.term == node.raft.currentTerm {
                    try truth.noteAppended(entry)
                }
            }
            if let snapshot = persist.snapshot { try noteSnapshot(snapshot, of: process) }
        }
    }

    /// I22: decoding and encoding again gives the same bytes, and the state is the one that
    /// everybody has there.
    private func noteSnapshot(
        _ snapshot: Snapshot, of process: SimulatedProcess
    ) throws(Violation) {
        let index = snapshot.lastIncludedIndex
        guard try observer.noteSnapshot(snapshot.data, at: index, of: process.id) else { return }
        let machine: LatchMachine
        do {
            machine = try LatchMachine(snapshot: snapshot.data, limits: options.limits)
        } catch {
            throw Violation("I22 snapshots", "that of \(process.id) at \(index) fails: \(error)")
        }
        try require(
            machine.encodeSnapshot() == snapshot.data && machine.lastApplied == index.rawValue,
            "I22 snapshots", "that of \(process.id) at \(index) changes when it is read")
        try observer.noteDigest(machine.digest, at: index, of: process.id)
        try truth.noteRestored(machine)
    }

    /// Makes the oldest `count` writes durable, and returns the id of the last.
    func makeDurable(_ count: Int, of process: SimulatedProcess) -> PersistID? {
        var last: PersistID?
        check { () throws(Violation) in
            for _ in 0..<count {
                if let next = process.disk.queue.first {
                    try observer.checkTruncation(
                        next, of: process.disk, process.id, disks: processes.lazy.map(\.disk))
                }
                guard let done = try process.disk.executeNext() else { break }
                last = done.id
            }
        }
        return last
    }

    func diskDelay(of process: SimulatedProcess) -> UInt64 {
        var delay = generator.draw(from: areFaultsOver ? 0...2 : options.diskMilliseconds)
        if process.isSlow { delay += generator.draw(from: 20...400) }
        return delay
    }

    func diskOperation(of process: SimulatedProcess) -> SimulatedStore.Operation {
        guard let fault = process.diskFault, !areFaultsOver else { return .works }
        guard fault.operationsLeft <= 0 else {
            process.diskFault?.operationsLeft -= 1
            return .works
        }
        process.diskFault = nil
        if fault.isFailure { return .fails }
        return generator.happens(permille: 500) ? .crashesBefore : .crashesAfter
    }

    // MARK: Network

    func noteSend(_ frame: PeerFrame, to server: ServerID, by process: SimulatedProcess) {
        check { () throws(Violation) in
            try require(
                !process.isHalted, "I10 durable before send", "\(process.id) speaks after its halt")
            guard case .raft(let message) = frame else { return }
            try process.disk.checkPromise(Envelope(to: server, message: message), log: nil)
            try checkEcho(message, of: process)
        }
        trace.fold(3, UInt64(process.position), UInt64(server.rawValue))
        trace.note("\(process.id) → \(server): \(frame.summary)")
        switch frame {
        case .proposals:
            mark(.forwardedCalls)
            releaseRefusal(of: frame, by: process)
        case .proposalsRefused: mark(.refusedProposalsFrame)
        case .readIndexRequest: mark(.readThroughFollower)
        case .raft, .readIndexReply, .stateDigest: break
        }
    }

    func noteArrivals(_ arrivals: [UInt64]) {
        if arrivals.isEmpty { mark(.lostFrame) }
        if arrivals.count > 1 { mark(.duplicatedFrame) }
        if let time = arrivals.first, time > now + 70 { mark(.stragglingFrame) }
    }

    func networkDelay() -> UInt64 {
        generator.draw(from: areFaultsOver ? 1...3 : options.network.delayMilliseconds)
    }

    /// As a node is configured: two election timeouts.
    var linkTimeout: UInt64 { 2 * options.settings.electionTimeoutMilliseconds.lowerBound }

    func deliver(_ frame: PeerFrame, from sender: ServerID, to process: SimulatedProcess) {
        guard let links = process.links, let loop = process.loop, process.isAlive else { return }
        loop.run { [self] in
            trace.note("\(process.id) < from \(sender): \(frame.summary)")
            if case .raft(let message) = frame {
                if message.term == process.node?.raft.currentTerm {
                    process.heard[Int(sender.rawValue) - 1] = now
                }
                noteRound(message, at: process)
                noteConfirmation(message, at: process)
                check { () throws(Violation) in try checkLateReply(message, to: process) }
            }
            if process.handedCalls.noteReceived(frame) { mark(.refusedLate) }
            links.onEvent(.received(frame, from: sender))
            if generator.happens(permille: 600) { return links.onEvent(.batchEnded) }
            guard !process.isBatchOpen else { return }
            process.isBatchOpen = true
            time.after(generator.draw(from: 0...1)) {
                loop.run {
                    process.isBatchOpen = false
                    links.onEvent(.batchEnded)
                }
            }
        }
    }

    /// Every few milliseconds each transport looks at its links.
    func tickLinks() {
        time.after(10) { [self] in tickLinks() }
        for process in processes where process.isRunning {
            guard let links = process.links else { continue }
            for target in processes.indices where target != process.position { links.tick(target) }
        }
    }
}

extension PeerFrame {
    /// The frame in a few words.
    var summary: String {
        switch self {
        case .raft(let message): message.summary
        case .proposals(let forwarded):
            "\(forwarded.proposals.count) calls for term \(forwarded.term)"
        case .proposalsRefused(let refused):
            "\(refused.numbers.count) calls refused: \(refused.reason)"
        case .readIndexRequest(let number): "read index \(number)?"
        case .readIndexReply(let reply): "read index \(reply.number): \(reply.index ?? .zero)"
        case .stateDigest(let index, _): "digest at \(index)"
        }
    }
}
