import RaftCore

/// The cluster of a scenario: nothing happens but what the script says, and all of it is written
/// down.
struct ScenarioCluster: Sendable {
    struct Server: Sendable {
        var raft: Raft?
        var disk = SimulatedDisk()
        var held: [(id: PersistID, envelopes: [Envelope])] = []
        /// What the machine holds: the applied commands as text, in order.
        var machine: [String] = []
        var isSlow = false
    }

    struct InFlight: Sendable {
        let from: ServerID
        let envelope: Envelope
    }

    let ids: [ServerID]
    let settings: RaftSettings
    private var servers: [Server]
    private(set) var inFlight: [InFlight] = []
    /// Links whose messages are lost, and links whose messages wait.
    private var cut: Set<Link> = []
    private var waiting: Set<Link> = []
    private var observer: RaftObserver
    private(set) var now: UInt64 = 0
    private var nextNumber: UInt64 = 0
    private(set) var lines: [String] = []
    /// Only decisions are worth a line.
    var isQuiet = false

    struct Link: Hashable, Sendable {
        let from: ServerID
        let to: ServerID
    }

    init(ids: [ServerID], settings: RaftSettings) throws(Violation) {
        self.ids = ids
        self.settings = settings
        servers = ids.map { _ in Server() }
        observer = RaftObserver(count: ids.count)
        for id in ids { try start(id) }
    }

    mutating func takeLines() -> [String] {
        defer { lines = [] }
        return lines
    }

    subscript(_ id: ServerID) -> Server { servers[position(of: id)] }

    private func position(of id: ServerID) -> Int { ids.firstIndex(of: id) ?? 0 }

    private mutating func note(_ text: String) {
        let digits = String(now)
        let padding = String(repeating: " ", count: max(0, 4 - digits.count))
        lines.append("    [\(padding)\(digits)] \(text)")
    }

    // MARK: - Servers

    mutating func start(_ id: ServerID) throws(Violation) {
        let place = position(of: id)
        let state = servers[place].disk.image
        do {
            let raft = try Raft(
                id: id, configuration: ClusterConfiguration(voters: ids), settings: settings,
                seed: UInt64(id.rawValue), restoring: state, at: Instant(milliseconds: now))
            servers[place].raft = raft
            servers[place].machine = state.snapshot.map { Self.commands(in: $0) } ?? []
            try observer.noteStart(place, raft)
            if now > 0 { note("\(id) starts: \(raft.status.summary)") }
        } catch let violation as Violation {
            throw violation
        } catch {
            throw Violation("restart", "\(id) cannot start: \(error)")
        }
    }

    /// kill -9: only what is durable stays.
    mutating func crash(_ id: ServerID) {
        let place = position(of: id)
        let lost = servers[place].disk.queue.map(\.summary)
        servers[place].raft = nil
        servers[place].held = []
        servers[place].disk.dropQueue()
        note(
            "\(id) crashes" + (lost.isEmpty ? "" : ", never wrote \(lost.joined(separator: "; "))"))
    }

    mutating func setDisk(of id: ServerID, slow: Bool) { servers[position(of: id)].isSlow = slow }

    mutating func step(_ id: ServerID, _ input: Input) throws(Violation) {
        let place = position(of: id)
        guard servers[place].raft != nil else { return }
        var effects = Effects()
        servers[place].raft?.step(input, at: Instant(milliseconds: now), into: &effects)
        guard let raft = servers[place].raft else { return }
        raft.checkInvariants()
        try observer.noteStep(place, raft)
        try execute(effects, at: id)
    }

    private mutating func execute(_ effects: Effects, at id: ServerID) throws(Violation) {
        let place = position(of: id)
        for decision in effects.decisions { note("\(id) \(decision)") }
        try send(effects.sendNow, from: id, log: servers[place].raft?.log)
        if let persist = effects.persist {
            if !isQuiet { note("\(id) writes \(persist.summary)") }
            if let raft = servers[place].raft, let first = persist.append.first {
                try observer.noteLog(of: raft, from: first.index)
            }
            servers[place].disk.write(persist)
            if !effects.sendAfterPersist.isEmpty {
                servers[place].held.append((persist.id, effects.sendAfterPersist))
            }
        }
        if let snapshot = effects.restore {
            servers[place].machine = Self.commands(in: snapshot)
        }
        for entry in effects.apply { try apply(entry, at: id) }
        for grant in effects.reads { note("\(id): \(grant.summary)") }
        for fate in effects.proposals {
            if case .refused = fate.result { note("\(id): \(fate.summary)") }
        }
    }

    private mutating func apply(_ entry: Entry, at id: ServerID) throws(Violation) {
        _ = try observer.noteApplied(
            entry, by: id, in: self[id].raft?.currentTerm ?? .zero, disks: servers.map(\.disk))
        guard !entry.payload.isEmpty else { return }
        let command = String(decoding: entry.payload, as: UTF8.self)
        servers[position(of: id)].machine.append(command)
        note("\(id) applies \(entry.index): \(command)")
    }

    // MARK: - Links and disks

    private mutating func send(
        _ envelopes: [Envelope], from id: ServerID, log: Log?
    ) throws(Violation) {
        var told: [(targets: [ServerID], text: String)] = []
        for envelope in envelopes {
            try servers[position(of: id)].disk.checkPromise(envelope, log: log)
            let isLost = cut.contains(Link(from: id, to: envelope.to))
            if !isLost { inFlight.append(InFlight(from: id, envelope: envelope)) }
            let text = envelope.message.summary + (isLost ? " (lost)" : "")
            if let known = told.firstIndex(where: { $0.text == text }) {
                told[known].targets.append(envelope.to)
            } else {
                told.append(([envelope.to], text))
            }
        }
        guard !isQuiet else { return }
        for (targets, text) in told {
            note("\(id) → \(targets.map(\.description).joined(separator: " ")): \(text)")
        }
    }

    /// Delivers messages and finishes disk writes until nothing moves. Each round takes a
    /// millisecond.
    mutating func settle() throws(Violation) {
        for _ in 0..<1_000 {
            guard try settleOnce() else { return }
        }
        throw Violation("scenario", "messages go round for ever")
    }

    private mutating func settleOnce() throws(Violation) -> Bool {
        let due = inFlight.filter { !waiting.contains(Link(from: $0.from, to: $0.envelope.to)) }
        let writers = ids.filter { id in
            !self[id].isSlow && self[id].raft != nil && !self[id].disk.queue.isEmpty
        }
        guard !due.isEmpty || !writers.isEmpty else { return false }
        now += 1
        inFlight.removeAll { !waiting.contains(Link(from: $0.from, to: $0.envelope.to)) }
        for id in ids {
            for message in due where message.envelope.to == id {
                try step(id, .received(message.envelope.message))
            }
        }
        for id in writers { try finishWrites(id) }
        return true
    }

    /// Delivers what `from` has sent to `to`, and nothing else.
    mutating func deliver(from: ServerID, to: ServerID) throws(Violation) {
        let due = inFlight.filter { $0.from == from && $0.envelope.to == to }
        inFlight.removeAll { $0.from == from && $0.envelope.to == to }
        now += 1
        for message in due { try step(to, .received(message.envelope.message)) }
    }

    mutating func lose(from: ServerID, to: ServerID) {
        inFlight.removeAll { $0.from == from && $0.envelope.to == to }
    }

    mutating func double(from: ServerID, to: ServerID) {
        inFlight += inFlight.filter { $0.from == from && $0.envelope.to == to }
    }

    mutating func setWaiting(from: ServerID, to: ServerID, _ isWaiting: Bool) {
        let link = Link(from: from, to: to)
        if isWaiting { waiting.insert(link) } else { waiting.remove(link) }
    }

    /// Makes what `id` has written durable, then sends what waited for it.
    mutating func finishWrites(_ id: ServerID) throws(Violation) {
        let place = position(of: id)
        while let done = try servers[place].disk.executeNext() {
            let due = servers[place].held.prefix { $0.id <= done.id }
            servers[place].held.removeFirst(due.count)
            for (_, envelopes) in due { try send(envelopes, from: id, log: nil) }
            try step(id, .persisted(done.id))
        }
    }

    mutating func partition(_ groups: [[ServerID]]) {
        heal()
        for group in groups {
            for other in groups where other != group {
                for from in group {
                    for to in other { cut.insert(Link(from: from, to: to)) }
                }
            }
        }
        inFlight.removeAll { cut.contains(Link(from: $0.from, to: $0.envelope.to)) }
    }

    mutating func heal() {
        cut = []
        waiting = []
    }

    // MARK: - Time

    /// Fires the timer of `id` at its deadline, whatever the others' deadlines are.
    mutating func timeout(_ id: ServerID) throws(Violation) {
        guard let deadline = self[id].raft?.deadline else { return }
        now = max(now, deadline.milliseconds)
        try step(id, .timerFired)
    }

    /// Lets `id` win an election and settles everything: one line, for scenarios about something
    /// else.
    mutating func elect(_ id: ServerID) throws(Violation) {
        let known = lines.count
        try timeout(id)
        try settle()
        lines.removeSubrange(known...)
        guard let raft = self[id].raft, raft.isReadyToServe else {
            throw Violation("scenario", "\(id) was not elected")
        }
        note("\(id) leads term \(raft.currentTerm), \(raft.commitIndex) is committed")
    }

    /// Lets time pass: timers fire when they are due, and everything is delivered in between.
    mutating func wait(_ milliseconds: UInt64) throws(Violation) {
        let end = now + milliseconds
        try settle()
        while let (deadline, id) = nextDeadline, deadline <= end {
            now = max(now, deadline)
            try step(id, .timerFired)
            try settle()
        }
        now = max(now, end)
    }

    private var nextDeadline: (UInt64, ServerID)? {
        var next: (UInt64, ServerID)?
        for id in ids {
            guard let deadline = self[id].raft?.deadline.milliseconds else { continue }
            if let next, next.0 <= deadline { continue }
            next = (deadline, id)
        }
        return next
    }

    // MARK: - Clients

    mutating func propose(_ command: String, at id: ServerID) throws(Violation) {
        nextNumber += 1
        try step(
            id, .propose([Proposal(id: ProposalID(nextNumber), payload: Array(command.utf8))]))
    }

    mutating func read(at id: ServerID) throws(Violation) {
        nextNumber += 1
        try step(id, .read(ReadID(nextNumber)))
    }

    mutating func takeSnapshot(at id: ServerID) throws(Violation) {
        guard let raft = self[id].raft else { return }
        let index = raft.lastApplied
        let data = self[id].machine.joined(separator: "\n")
        try step(
            id,
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: index, lastIncludedTerm: raft.log.term(at: index) ?? .zero,
                    data: Array(data.utf8))))
    }

    private static func commands(in snapshot: Snapshot) -> [String] {
        String(decoding: snapshot.data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    // MARK: - Looking

    mutating func show(_ shown: [ServerID]) {
        for id in shown {
            guard let raft = self[id].raft else {
                note("\(id) is dead")
                continue
            }
            let log = raft.log.slice(from: raft.log.firstIndex, through: raft.log.lastIndex)
                .map { "\($0.index)@\($0.term)" }.joined(separator: " ")
            note("\(id): \(raft.status.summary), entries \(log.isEmpty ? "none" : log)")
            note("\(id): machine holds \(self[id].machine)")
        }
    }
}
