import PeerTransport
import RaftCore

/// Messages that the network keeps back, to deliver them much later.
struct Hold {
    enum Manner {
        /// What is kept arrives late only.
        case originals
        /// What is kept is a second copy, and the first arrives as usual. Only Raft's own messages
        /// are proof against that; others arrive late only.
        case copies
    }

    struct Kept {
        let frame: PeerFrame
        let sender: ServerID
        let target: Int
    }

    var manner = Manner.originals
    /// The server whose messages are kept, and the ways: those from it, those to it.
    var server = 0
    var isOutward = false
    /// Only answers are kept: replies to a leader, refusals, read indexes.
    var isOfRepliesOnly = false
    var isOpen = false
    var kept: [Kept] = []
    /// Refusals that come late one by one.
    var refusals: [Kept] = []
    /// Grows with each hold, so that the end of an earlier one does not end this.
    var epoch = 0

    /// More than this is lost.
    static let limit = 300

    func covers(_ frame: PeerFrame, from: Int, to: Int) -> Bool {
        isOpen && (isOutward ? from : to) == server && kept.count < Hold.limit
            && (!isOfRepliesOnly || frame.isAnswer)
    }
}

// Old messages: leaders come and go while they are on their way.

extension Simulation {
    /// For several election timeouts the messages to, or from, one server are kept.
    ///
    /// - Parameter isFarewell: only the answers that it gives, as those of a leader that goes.
    func beginHold(at process: SimulatedProcess, isFarewell: Bool = false) {
        guard processes.count > 1, !options.network.isStream, !hold.isOpen, hold.kept.isEmpty
        else { return }
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        hold.manner = generator.happens(permille: 600) && !isFarewell ? .copies : .originals
        hold.server = process.position
        hold.isOutward = generator.happens(permille: 300) || isFarewell
        hold.isOfRepliesOnly = generator.happens(permille: 700) || isFarewell
        hold.isOpen = true
        hold.epoch += 1
        mark(.heldMessages)
        trace.note(
            "the network keeps messages \(hold.isOutward ? "from" : "to") \(process.id): "
                + "\(hold.manner), replies only: \(hold.isOfRepliesOnly)")
        let epoch = hold.epoch
        let window = generator.draw(from: (timeout / 2)...(4 * timeout))
        time.after(window) { [self] in if hold.epoch == epoch { hold.isOpen = false } }
        time.after(window + generator.draw(from: 0...(6 * timeout))) { [self] in
            if hold.epoch == epoch { releaseHold() }
        }
    }

    /// Takes a message into the hold. True if it does not arrive otherwise.
    func keepsBack(_ frame: PeerFrame, from process: SimulatedProcess, to target: Int) -> Bool {
        let item = Hold.Kept(frame: frame, sender: process.id, target: target)
        if delays(frame) {
            delay(item)
            return true
        }
        guard hold.covers(frame, from: process.position, to: target) else { return false }
        hold.kept.append(item)
        if case .raft = frame { return hold.manner == .originals }
        return true
    }

    /// What was kept arrives, in its order or in any.
    func releaseHold() {
        let kept = hold.kept
        hold.kept = []
        hold.isOpen = false
        guard !kept.isEmpty else { return }
        trace.note("the network lets go of \(kept.count) messages")
        let spread = generator.pick([0, 20, 200] as [UInt64])
        let isInOrder = generator.happens(permille: 500)
        var last = now
        for item in kept {
            let arrival = now + generator.draw(from: 0...spread)
            last = isInOrder ? max(last, arrival) : arrival
            time.at(last) { [self] in deliver(item) }
        }
    }

    // MARK: Refusals

    /// Whether this refusal comes late although nothing else does.
    private func delays(_ frame: PeerFrame) -> Bool {
        guard case .proposalsRefused = frame, options.nemesis.hold > 0, !areFaultsOver,
            !options.network.isStream
        else { return false }
        return generator.happens(permille: 300)
    }

    private func delay(_ refusal: Hold.Kept) {
        hold.refusals.append(refusal)
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        time.after(generator.draw(from: timeout...(6 * timeout))) { [self] in
            if !hold.refusals.isEmpty { deliver(hold.refusals.removeFirst()) }
        }
    }

    /// A node often hears that a former leader refused its calls just after it has handed them on
    /// to the next one.
    func releaseRefusal(of handed: PeerFrame, by process: SimulatedProcess) {
        guard case .proposals(let proposals) = handed, !hold.refusals.isEmpty else { return }
        let numbers = Set(proposals.proposals.map(\.number))
        let overdue = hold.refusals.firstIndex { item in
            guard case .proposalsRefused(let refused) = item.frame else { return false }
            return item.target == process.position && refused.term < proposals.term
                && !numbers.isDisjoint(with: refused.numbers)
        }
        guard let overdue else { return }
        let item = hold.refusals.remove(at: overdue)
        time.after(generator.draw(from: 0...2)) { [self] in deliver(item) }
    }

    private func deliver(_ item: Hold.Kept) {
        deliver(item.frame, from: item.sender, to: processes[item.target])
    }

    /// A new leader often meets what was said to it when it led before.
    func planRelease(to leader: SimulatedProcess) {
        guard !hold.kept.isEmpty, leader.ledTerm > .zero || hold.isOutward,
            generator.happens(permille: 500)
        else { return }
        let reach = options.settings.heartbeatIntervalMilliseconds
        let epoch = hold.epoch
        time.after(generator.draw(from: 0...(2 * reach))) { [self] in
            if hold.epoch == epoch { releaseHold() }
        }
    }
}

extension PeerFrame {
    fileprivate var isAnswer: Bool {
        if case .raft(let message) = self { return message.isReplyToLeader }
        return isAnswerToNode
    }

    /// A leader's answer to what another node's clients asked for.
    var isAnswerToNode: Bool {
        switch self {
        case .proposalsRefused, .readIndexReply: true
        case .raft, .proposals, .readIndexRequest, .stateDigest: false
        }
    }
}
