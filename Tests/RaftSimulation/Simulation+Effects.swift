import LatchMachine
import RaftCore

// Executes `Effects` strictly top to bottom, exactly as a node must.

extension Simulation {
    mutating func execute(_ effects: Effects, at server: Int) throws(Violation) {
        for envelope in effects.sendNow {
            try servers[server].disk.checkPromise(envelope, log: nil)
            send(envelope, from: server)
        }
        try persist(effects, at: server)
        if let snapshot = effects.restore { try restore(snapshot, at: server) }
        for entry in effects.apply { try apply(entry, at: server) }
        for grant in effects.reads { try settle(grant, at: server) }
        try takeSnapshotIfDue(server)
        if servers[server].raft?.role != .leader { servers[server].clock.stop() }
    }

    private mutating func persist(_ effects: Effects, at server: Int) throws(Violation) {
        guard let persist = effects.persist else {
            try require(
                effects.sendAfterPersist.isEmpty, "I10 durable before send",
                "\(servers[server].id) holds messages back for no write")
            return
        }
        try require(
            persist.id.rawValue == servers[server].lastPersistID.rawValue + 1, "persist ids",
            "\(persist.id) follows \(servers[server].lastPersistID)")
        servers[server].lastPersistID = persist.id
        trace.note("\(servers[server].id) writes \(persist.summary) as \(persist.id)")
        if let raft = servers[server].raft, let first = persist.append.first {
            try observer.noteLog(of: raft, from: first.index)
        }
        servers[server].disk.write(persist)
        if !effects.sendAfterPersist.isEmpty {
            servers[server].held.append((persist.id, effects.sendAfterPersist))
        }
        startDisk(server)
    }

    private mutating func startDisk(_ server: Int) {
        guard !servers[server].isDiskBusy, !servers[server].disk.queue.isEmpty else { return }
        servers[server].isDiskBusy = true
        var delay = generator.draw(from: areFaultsOver ? 0...2 : options.diskMilliseconds)
        if servers[server].isSlow { delay += generator.draw(from: 20...400) }
        queue.add(.disk(server: server, life: servers[server].life), at: now + delay)
    }

    /// The disk has made some of the queue durable in one transaction: group commit.
    mutating func finishWrites(_ server: Int) throws(Violation) {
        servers[server].isDiskBusy = false
        let count = 1 + generator.below(servers[server].disk.queue.count)
        if let last = try makeDurable(count, at: server) {
            post(.input(.persisted(last)), to: server)
        }
        startDisk(server)
    }

    /// Makes the oldest `count` writes durable, and returns the id of the last.
    mutating func makeDurable(_ count: Int, at server: Int) throws(Violation) -> PersistID? {
        var last: PersistID?
        for _ in 0..<count {
            if let next = servers[server].disk.queue.first {
                try observer.checkTruncation(
                    next, of: servers[server].disk, servers[server].id)
            }
            guard let done = try servers[server].disk.executeNext() else { break }
            last = done.id
            // What waits for this very write must be true now, whatever later writes change.
            for (id, envelopes) in servers[server].held where id == done.id {
                for envelope in envelopes {
                    try servers[server].disk.checkPromise(envelope, log: nil)
                }
            }
        }
        return last
    }

    /// Sends what waited for `id`.
    mutating func release(_ id: PersistID, at server: Int) throws(Violation) {
        let due = servers[server].held.prefix { $0.id <= id }
        servers[server].held.removeFirst(due.count)
        for (_, envelopes) in due {
            for envelope in envelopes { send(envelope, from: server) }
        }
    }

    private mutating func send(_ envelope: Envelope, from server: Int) {
        let target = Int(envelope.to.rawValue) - 1
        let arrivals = network.arrivals(from: server, to: target, at: now, &generator)
        trace.fold(3, UInt64(server), UInt64(target), UInt64(arrivals.count))
        trace.note(
            "\(servers[server].id) → \(envelope.to): \(envelope.message.summary)"
                + (arrivals.isEmpty ? " (lost)" : ""))
        for time in arrivals { queue.add(.deliver(envelope), at: time) }
    }

    mutating func receive(_ envelope: Envelope) {
        let target = Int(envelope.to.rawValue) - 1
        guard servers[target].raft != nil else { return }
        post(.input(.received(envelope.message)), to: target)
    }

    // MARK: - The machine

    mutating func restoreMachine(_ server: Int, _ snapshot: Snapshot) throws(Violation) {
        let id = servers[server].id
        do {
            servers[server].machine = try LatchMachine(
                snapshot: snapshot.data, limits: options.limits)
        } catch {
            throw Violation("I22 snapshots", "\(id) cannot read its snapshot: \(error)")
        }
        try require(
            servers[server].machine.lastApplied == snapshot.lastIncludedIndex.rawValue,
            "I22 snapshots", "\(id)'s snapshot ends at \(servers[server].machine.lastApplied)")
        try observer.noteDigest(
            servers[server].machine.digest, at: snapshot.lastIncludedIndex, of: id)
    }

    private mutating func restore(_ snapshot: Snapshot, at server: Int) throws(Violation) {
        trace.note("\(servers[server].id) restores its machine at \(snapshot.lastIncludedIndex)")
        try restoreMachine(server, snapshot)
        servers[server].lastAppliedTerm = snapshot.lastIncludedTerm
        servers[server].lastSnapshotIndex = snapshot.lastIncludedIndex.rawValue
    }

    private mutating func apply(_ entry: Entry, at server: Int) throws(Violation) {
        let id = servers[server].id
        try require(
            entry.index.rawValue == servers[server].machine.lastApplied + 1, "I9 index chain",
            "\(id) applies \(entry.index) after \(servers[server].machine.lastApplied)")
        let isFirst = try observer.noteApplied(
            entry, by: id, in: servers[server].raft?.currentTerm ?? .zero,
            disks: servers.map(\.disk))
        servers[server].lastAppliedTerm = entry.term
        trace.fold(4, entry.index.rawValue, entry.term.rawValue)
        if entry.payload.isEmpty {
            servers[server].machine.skip(to: entry.index.rawValue)
        } else {
            try applyRecord(entry, at: server, isFirst: isFirst)
        }
        let digest = servers[server].machine.digest
        trace.fold(5, digest)
        try observer.noteDigest(digest, at: entry.index, of: id)
    }

    private mutating func applyRecord(
        _ entry: Entry, at server: Int, isFirst: Bool
    ) throws(Violation) {
        let record: LogRecord
        do {
            record = try LogRecord(decoding: entry.payload)
        } catch {
            servers[server].machine.skip(to: entry.index.rawValue)
            return
        }
        var outcomes: [Outcome] = []
        servers[server].machine.apply(record, at: entry.index.rawValue, into: &outcomes)
        if isFirst {
            trace.note("          entry \(entry.index): \(record.command) gives \(outcomes)")
            try latches.note(
                record, at: entry.index.rawValue, outcomes: outcomes,
                machine: servers[server].machine, now: now)
        }
        answer(record, outcomes, at: server)
    }

    // MARK: - Snapshots

    /// Takes the machine's state at a common index, so that servers' snapshots can be compared.
    private mutating func takeSnapshotIfDue(_ server: Int) throws(Violation) {
        let machine = servers[server].machine
        let index = machine.lastApplied
        guard !servers[server].isEncodingSnapshot,
            index / options.snapshotEveryEntries
                > servers[server].lastSnapshotIndex / options.snapshotEveryEntries
        else { return }
        servers[server].isEncodingSnapshot = true
        servers[server].lastSnapshotIndex = index
        let snapshot = Snapshot(
            lastIncludedIndex: LogIndex(index), lastIncludedTerm: servers[server].lastAppliedTerm,
            data: machine.encodeSnapshot())
        queue.add(
            .snapshot(server: server, life: servers[server].life, snapshot),
            at: now + generator.draw(from: 0...30))
        try checkIdentity(of: snapshot, at: server)
    }

    /// I22: encode, decode, encode is the identity, and equal states have equal bytes.
    mutating func checkIdentity(of snapshot: Snapshot, at server: Int) throws(Violation) {
        let isFirst = try observer.noteSnapshot(
            snapshot.data, at: snapshot.lastIncludedIndex, of: servers[server].id)
        guard isFirst else { return }
        let again: [UInt8]
        do {
            again = try LatchMachine(snapshot: snapshot.data, limits: options.limits)
                .encodeSnapshot()
        } catch {
            throw Violation("I22 snapshots", "a snapshot cannot be read back: \(error)")
        }
        try require(
            again == snapshot.data, "I22 snapshots",
            "the snapshot at \(snapshot.lastIncludedIndex) changes by decoding it")
    }

    // MARK: - Reads

    private mutating func settle(_ grant: ReadGrant, at server: Int) throws(Violation) {
        trace.note("\(servers[server].id): \(grant.summary)")
        guard let position = servers[server].openReads.firstIndex(where: { $0.id == grant.id })
        else {
            throw Violation("C17 answered once", "read \(grant.id.rawValue) is answered again")
        }
        let read = servers[server].openReads.remove(at: position)
        switch grant.result {
        case .granted(let index):
            mark(\.grantedReads)
            judgement.noteRead(grant.id)
            try require(
                index >= read.leastIndex, "I18 no stale read",
                "\(servers[server].id) grants a read at \(index), \(read.leastIndex) was committed")
        case .refused:
            mark(\.refusedReads)
        }
    }
}
