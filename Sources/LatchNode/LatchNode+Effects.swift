import BinaryCoding
import LatchMachine
import Logging
import NIOCore
import PeerTransport
import RaftCore
import RaftStorage

// Executing what the Raft server decided, strictly in the order of `Effects`.
extension LatchNode {
    func execute(at now: Instant) {
        let effects = self.effects
        self.effects = Effects()
        for decision in effects.decisions {
            meters.note(decision)
            logger.log(
                level: decision.isAlarming ? .warning : .debug, "raft",
                metadata: ["decision": "\(decision)"])
        }
        for envelope in effects.sendNow { send(envelope) }
        if let persist = effects.persist {
            if !effects.sendAfterPersist.isEmpty {
                heldEnvelopes.append((persist.id, effects.sendAfterPersist))
            }
            meters.persistBegan(persist, at: loop.now.uptimeNanoseconds)
            storage.persist(persist)
        }
        if let snapshot = effects.restore, !restore(snapshot) { return }
        guard apply(effects.apply) else { return }
        if !effects.apply.isEmpty {
            meters.applied &+= UInt64(effects.apply.count)
            meters.lastProgress = loop.now.uptimeNanoseconds
        }
        for grant in effects.reads { resolve(grant) }
        answerReads()
        showObservers()
    }

    func send(_ envelope: Envelope) {
        _ = transport.send(.raft(envelope.message), to: envelope.to)
    }

    /// Applies committed entries in order and routes their outcomes; false if the node had to halt.
    private func apply(_ entries: [Entry]) -> Bool {
        for entry in entries {
            if entry.term > lastAppliedTerm { begin(entry.term) }
            if entry.payload.isEmpty {
                machine.skip(to: entry.index.rawValue)
            } else {
                do {
                    let record = try LogRecord(decoding: entry.payload)
                    outcomes.removeAll(keepingCapacity: true)
                    machine.apply(
                        record, at: entry.index.rawValue, raftTerm: entry.term.rawValue,
                        into: &outcomes)
                    route(record, at: entry.index.rawValue)
                } catch {
                    halt(.invariant("the committed entry \(entry.index) does not decode: \(error)"))
                    return false
                }
            }
            if entry.index.rawValue.isMultiple(of: settings.digestEveryEntries),
                !compareDigest(at: entry.index)
            {
                return false
            }
        }
        return true
    }

    /// The first applied entry of a term decides the fate of what was handed to leaders of earlier
    /// terms.
    private func begin(_ term: Term) {
        lastAppliedTerm = term
        calls.requeueLost(before: term)
        if calls.hasWaiting { scheduleTurn() }
    }

    private func route(_ record: LogRecord, at index: UInt64) {
        let isOwn = record.origin == settings.server.rawValue
        if let session = record.command.sequencedSession { touchedSessions.append(session) }
        meters.note(record.command, outcomes)
        for outcome in outcomes {
            switch outcome {
            case .answer(let answer):
                guard isOwn else { continue }
                if let command = leaderCommands.removeValue(forKey: record.number) {
                    finish(command)
                } else if let call = calls.remove(record.number) {
                    finish(call, answer, at: index)
                }
            case .heldAnswer(let session, let requestID, let answer):
                touchedSessions.append(session)
                for waiter in held.remove(session: session, requestID: requestID) {
                    finish(waiter, answer, at: index)
                }
            case .frame(let key, let frame):
                if let sink = subscribers.sink(for: key, frame) { outbox.deliver(frame, to: sink) }
            case .streamTaken(let key):
                noteTaken(key, isAwaited: !isOwn || calls.contains(record.number))
            case .sessionEnded(let session):
                touchedSessions.append(session)
                for waiter in held.removeAll(session: session) {
                    finish(waiter, .refused(.unknownSession), at: index)
                }
            case .changed(let name):
                noteChange(of: name, at: index)
            }
        }
    }

    /// Another transport carries a stream now; or none does any more, because frames that were to
    /// be replayed to it are gone, which ended the stream (E8).
    ///
    /// - Parameter isAwaited: whether somebody waits for the opening. One of ours that nobody waits
    ///   for, a second copy or one that came too late, takes nothing from anybody.
    private func noteTaken(_ key: StreamKey, isAwaited: Bool) {
        let isOpen = machine.lastResponseID(of: key) != nil
        guard isAwaited || !isOpen, let subscriber = subscribers.remove(key) else { return }
        outbox.abandon(
            subscriber.sink,
            because: isOpen ? .takenOver : .lagged(after: subscriber.lastResponseID))
    }

    private func finish(_ call: PendingCall, _ answer: Answer, at index: UInt64) {
        if case .held = answer, let sequence = call.sequence {
            held.add(
                call.waiter, for: sequence,
                patience: now.advanced(byMilliseconds: settings.gapTimeoutMilliseconds),
                deadline: call.deadline)
        } else if case .refused(.tooManyHeld) = answer, call.mayBeInLog {
            // Nothing is remembered of this copy, and another may still take effect.
            fail(call, .outcomeUnknown)
        } else {
            finish(call.waiter, answer, at: index)
        }
    }

    private func finish(_ waiter: Waiter, _ answer: Answer, at index: UInt64) {
        switch waiter {
        case .reply(let sink):
            outbox.complete(sink, with: .answer(answer, index: index))
        case .subscriber(let sink):
            outbox.complete(sink, with: .answer(answer, index: index))
            if case .streamOpened(let key, let replay) = answer {
                subscribe(sink, to: key, after: replay)
            }
        case .renewals(let batch):
            guard case .renewed(let alive) = answer else { return fail(waiter, .outcomeUnknown) }
            for (position, isAlive) in zip(batch.sinks.indices, alive) {
                let renewal = batch.renewals[position]
                let timeout = isAlive ? machine.timeoutMilliseconds(of: renewal.session) ?? 0 : 0
                let view = isAlive ? machine.view(renewal.primitive) : nil
                for sink in batch.sinks[position] {
                    outbox.complete(
                        sink, with: .renewed(isAlive, timeoutMilliseconds: timeout, view))
                }
            }
        case .nobody:
            break
        }
    }

    /// From now on the frames of `key` go to `sink`, unless the replay already ended the stream.
    private func subscribe(
        _ sink: any SubscriberSink, to key: StreamKey, after replay: [Frame]
    ) {
        if case .close? = replay.last?.content { return }
        let last = replay.last?.responseID ?? machine.lastResponseID(of: key) ?? 0
        if let previous = subscribers.add(key, sink, lastResponseID: last) {
            outbox.abandon(previous, because: .takenOver)
        }
    }

    func fail(_ waiter: Waiter, _ failure: NodeFailure) {
        switch waiter {
        case .reply(let sink): outbox.complete(sink, with: .failed(failure))
        case .subscriber(let sink): outbox.complete(sink, with: .failed(failure))
        case .renewals(let batch):
            for sink in batch.sinks.joined() { outbox.complete(sink, with: .failed(failure)) }
        case .nobody: break
        }
    }

    func failEverything() {
        for call in calls.removeAll() {
            fail(call, call.state == .waiting ? .shuttingDown : .outcomeUnknown)
        }
        for sink in renewals.removeAll() { outbox.complete(sink, with: .failed(.shuttingDown)) }
        for waiter in held.removeAll() { fail(waiter, .outcomeUnknown) }
        for read in reads.removeAll() { outbox.complete(read.sink, with: .failed(.shuttingDown)) }
        for sink in subscribers.removeAll() { outbox.abandon(sink, because: .shuttingDown) }
        for sink in observers.removeAll() { outbox.end(sink, because: .shuttingDown) }
        outbox.flush()
    }

    // MARK: Snapshots

    /// Replaces the machine by the leader's snapshot; false if the node had to halt.
    private func restore(_ snapshot: Snapshot) -> Bool {
        do {
            machine = try LatchMachine(restoring: snapshot, limits: settings.limits)
        } catch {
            let index = snapshot.lastIncludedIndex
            halt(.invariant("the installed snapshot of \(index) is not usable: \(error)"))
            return false
        }
        lastAppliedTerm = snapshot.lastIncludedTerm
        lastSnapshotIndex = snapshot.lastIncludedIndex.rawValue
        note(.snapshotInstalled(snapshot.lastIncludedIndex, bytes: snapshot.data.count))
        touchedSessions += reads.parkedSessions
        // The entries that would have told their fate are not seen here.
        for call in calls.removeInFlight() { fail(call.waiter, .outcomeUnknown) }
        for waiter in held.removeAll() { fail(waiter, .outcomeUnknown) }
        for (key, last) in subscribers.progress { resume(key, after: last) }
        observers.noteRestore()
        return true
    }

    /// Serves what a stream missed while a snapshot replaced its entries, or ends it where that is
    /// gone.
    private func resume(_ key: StreamKey, after last: UInt64) {
        guard let frames = machine.frames(of: key, after: last) else {
            if let subscriber = subscribers.remove(key) {
                outbox.abandon(subscriber.sink, because: .lagged(after: last))
            }
            return
        }
        for frame in frames {
            if let sink = subscribers.sink(for: key, frame) { outbox.deliver(frame, to: sink) }
        }
    }

    /// Encodes a snapshot on another thread once enough was applied. Taking the image is O(1).
    func takeSnapshotIfDue() {
        guard !isSnapshotInProgress,
            machine.lastApplied - lastSnapshotIndex >= settings.snapshotEveryEntries
        else { return }
        isSnapshotInProgress = true
        meters.snapshotBegan = loop.now.uptimeNanoseconds
        lastSnapshotIndex = machine.lastApplied
        let image = machine.snapshotImage()
        let index = LogIndex(machine.lastApplied)
        let term = lastAppliedTerm
        encodeSnapshot { [weak self] in
            let snapshot = Snapshot(
                lastIncludedIndex: index, lastIncludedTerm: term, data: image.encoded())
            guard let self else { return }
            if self.inbox.complete({ $0.snapshot = snapshot }) { self.wake() }
        }
    }

    // MARK: Digests

    /// Notes our digest at `index` and tells the others; false if the node had to halt.
    private func compareDigest(at index: LogIndex) -> Bool {
        for member in settings.members where member.id != settings.server {
            _ = transport.send(.stateDigest(index: index, digest: machine.digest), to: member.id)
        }
        return judge(digests.note(machine.digest, of: settings.server, at: index))
    }

    /// False if the node had to halt.
    @discardableResult
    func judge(_ verdict: DigestLedger.Verdict) -> Bool {
        switch verdict {
        case .agreed:
            return true
        case .differs(let server, let index):
            logger.critical(
                "state differs from a peer's", metadata: ["peer": "\(server)", "index": "\(index)"])
            return true
        case .diverged(let index):
            halt(
                .invariant(
                    "state machine safety: a majority has another state than this node at index \(index)"
                ))
            return false
        }
    }
}

extension LatchMachine {
    /// The machine as a snapshot holds it.
    ///
    /// - Throws: `DecodingFailure` if the bytes are no snapshot, or one of another index.
    init(restoring snapshot: Snapshot, limits: Limits) throws(DecodingFailure) {
        try self.init(snapshot: snapshot.data, limits: limits)
        guard lastApplied == snapshot.lastIncludedIndex.rawValue else {
            throw .invalid(
                field: "snapshot.lastApplied",
                reason: "\(lastApplied) is not the snapshot's \(snapshot.lastIncludedIndex)")
        }
    }
}

extension Command {
    /// The session whose request ids the command moves on.
    var sequencedSession: SessionID? {
        switch self {
        case .latch(_, let session, _, _), .openStream(_, let session, _, _),
            .closeGap(let session, _), .leave(_, let session, _, _),
            .handOver(_, let session, _, _, _), .publish(_, let session, _, _, _):
            session
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .expire,
            .evict:
            nil
        }
    }
}
