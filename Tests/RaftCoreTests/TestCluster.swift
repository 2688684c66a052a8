import RaftCore

/// Servers in one test, with a network that loses, repeats and reorders, and disks that lag and
/// forget.
///
/// Small on purpose: it steps whole clusters where a test of one server would not tell the story.
struct TestCluster {
    struct Machine {
        var raft: Raft
        /// What survives a crash.
        var disk: PersistentState
        var writing: [(persist: Persist, promises: [Envelope])] = []
        var applied: [Entry] = []
        var isDown = false
    }

    let ids: [ServerID]
    let settings: RaftSettings
    /// Settings of single servers, where they differ.
    let ownSettings: [ServerID: RaftSettings]
    var machines: [ServerID: Machine] = [:]
    var network: [Envelope] = []
    var now = Instant(milliseconds: 1_000)
    var generator: SeededGenerator
    /// True if messages between the two are lost.
    var isCut: (ServerID, ServerID) -> Bool = { _, _ in false }
    /// True if this one message is lost.
    var isLost: (Message) -> Bool = { _ in false }
    var leaderOfTerm: [Term: ServerID] = [:]
    var committed: [LogIndex: Entry] = [:]
    private var newestCommit = LogIndex.zero
    /// What was committed when a read was asked for: its grant must not be older.
    private var leastIndexes: [ReadID: LogIndex] = [:]
    var fates: [ProposalFate] = []
    var reads: [ReadGrant] = []
    var sentCount = 0
    var violations: [String] = []

    init(
        size: Int = 3, seed: UInt64 = 1, settings: RaftSettings = RaftSettings(),
        ownSettings: [ServerID: RaftSettings] = [:]
    ) throws {
        ids = (1...size).map { ServerID(UInt16($0)) }
        self.settings = settings
        self.ownSettings = ownSettings
        generator = SeededGenerator(seed: seed)
        for id in ids { try start(id, from: PersistentState()) }
    }

    subscript(_ number: UInt16) -> Raft {
        guard let machine = machines[ServerID(number)] else { fatalError("no server \(number)") }
        return machine.raft
    }

    mutating func start(_ id: ServerID, from disk: PersistentState) throws {
        let raft = try Raft(
            id: id, configuration: ClusterConfiguration(voters: ids),
            settings: ownSettings[id] ?? settings, seed: generator.next(), restoring: disk, at: now)
        var machine = Machine(raft: raft, disk: disk)
        if let snapshot = disk.snapshot { machine.applied = Self.decode(snapshot) }
        machines[id] = machine
    }

    /// kill -9: everything that is not on the disk is gone.
    mutating func crash(_ id: ServerID) {
        machines[id]?.isDown = true
        machines[id]?.writing = []
        network.removeAll { $0.to == id }
    }

    mutating func restart(_ id: ServerID) throws {
        guard let disk = machines[id]?.disk else { return }
        try start(id, from: disk)
    }

    mutating func step(_ id: ServerID, _ inputs: Input...) {
        guard var machine = machines[id], !machine.isDown else { return }
        var effects = Effects()
        for input in inputs {
            if case .read(let read) = input { leastIndexes[read] = newestCommit }
            machine.raft.step(input, at: now, into: &effects)
        }
        machine.raft.checkInvariants()
        machines[id] = machine
        execute(effects, of: id)
    }

    private mutating func execute(_ effects: Effects, of id: ServerID) {
        guard var machine = machines[id] else { return }
        if effects.persist == nil, !effects.sendAfterPersist.isEmpty {
            violations.append("\(id) holds promises back for nothing")
        }
        send(effects.sendNow)
        if let persist = effects.persist {
            machine.writing.append((persist, effects.sendAfterPersist))
        }
        if let restore = effects.restore { machine.applied = Self.decode(restore) }
        for entry in effects.apply {
            if entry.index != (machine.applied.last?.index ?? .zero).next() {
                violations.append("\(id) applies \(entry.index) out of order")
            }
            machine.applied.append(entry)
            if let known = committed[entry.index], known != entry {
                violations.append("\(id) applies another entry at \(entry.index)")
            }
            committed[entry.index] = entry
            newestCommit = max(newestCommit, entry.index)
        }
        fates += effects.proposals
        reads += effects.reads
        for grant in effects.reads {
            guard case .granted(let index) = grant.result else { continue }
            if index < leastIndexes[grant.id] ?? .zero {
                violations.append("\(id) grants a read of the past at \(index)")
            }
        }
        let status = machine.raft.status
        if status.role == .leader {
            if let other = leaderOfTerm[status.currentTerm], other != id {
                violations.append("two leaders in term \(status.currentTerm)")
            }
            leaderOfTerm[status.currentTerm] = id
        }
        machines[id] = machine
    }

    private mutating func send(_ envelopes: [Envelope]) {
        sentCount += envelopes.count
        for envelope in envelopes
        where !isCut(envelope.message.from, envelope.to) && !isLost(envelope.message) {
            network.append(envelope)
        }
    }

    /// Makes the first `count` batches of a server durable at once, as group commit does.
    mutating func write(_ id: ServerID, count: Int = .max) {
        guard var machine = machines[id], !machine.isDown, !machine.writing.isEmpty else { return }
        let batch = machine.writing.prefix(count)
        machine.writing.removeFirst(batch.count)
        for (persist, _) in batch { Self.apply(persist, to: &machine.disk) }
        machines[id] = machine
        for (_, promises) in batch { send(promises) }
        if let last = batch.last { step(id, .persisted(last.persist.id)) }
    }

    mutating func deliver(at position: Int) {
        let envelope = network.remove(at: position)
        step(envelope.to, .received(envelope.message))
    }

    /// Delivers and writes until nothing is left to do, without letting time pass.
    mutating func settle() {
        var budget = 100_000
        while budget > 0 {
            budget -= 1
            if !network.isEmpty {
                deliver(at: 0)
            } else if let id = ids.first(where: {
                machines[$0]?.isDown == false && machines[$0]?.writing.isEmpty == false
            }) {
                write(id)
            } else {
                return
            }
        }
        violations.append("the cluster does not come to rest")
    }

    /// Lets time pass, timer by timer, coming to rest after each.
    mutating func run(milliseconds: UInt64) {
        let end = now.advanced(byMilliseconds: milliseconds)
        settle()
        while true {
            let next = ids.compactMap { id -> (Instant, ServerID)? in
                guard let machine = machines[id], !machine.isDown else { return nil }
                return (machine.raft.deadline, id)
            }.min { ($0.0, $0.1) < ($1.0, $1.1) }
            guard let (instant, id) = next, instant <= end else { break }
            now = max(now, instant)
            step(id, .timerFired)
            settle()
        }
        now = end
    }

    var leader: ServerID? {
        ids.filter { machines[$0]?.isDown == false && machines[$0]?.raft.role == .leader }
            .max {
                (machines[$0]?.raft.currentTerm ?? .zero)
                    < (machines[$1]?.raft.currentTerm ?? .zero)
            }
    }

    /// Runs until there is a leader that serves.
    mutating func elect() -> ServerID? {
        for _ in 0..<100 {
            if let leader, machines[leader]?.raft.isReadyToServe == true { return leader }
            run(milliseconds: 50)
        }
        return nil
    }

    /// Snapshots hold the applied entries themselves.
    mutating func takeSnapshot(_ id: ServerID) {
        guard let machine = machines[id], let last = machine.applied.last else { return }
        step(
            id,
            .snapshotTaken(
                Snapshot(
                    lastIncludedIndex: last.index, lastIncludedTerm: last.term,
                    data: Self.encode(machine.applied))))
    }
}

extension TestCluster {
    /// What one transaction does to a disk, in the order that ``Persist`` states.
    static func apply(_ persist: Persist, to disk: inout PersistentState) {
        if let vote = persist.vote {
            disk.currentTerm = vote.currentTerm
            disk.votedFor = vote.votedFor
        }
        if let snapshot = persist.snapshot { disk.snapshot = snapshot }
        if persist.resetsLog { disk.entries = [] }
        if let from = persist.truncateFrom { disk.entries.removeAll { $0.index >= from } }
        disk.entries += persist.append
        if let through = persist.purgeThrough { disk.entries.removeAll { $0.index <= through } }
    }

    static func encode(_ entries: [Entry]) -> [UInt8] {
        entries.flatMap { [UInt8($0.term.rawValue), UInt8($0.payload.count)] + $0.payload }
    }

    static func decode(_ snapshot: Snapshot) -> [Entry] {
        var entries: [Entry] = []
        var rest = snapshot.data[...]
        while let term = rest.popFirst(), let count = rest.popFirst() {
            entries.append(
                Entry(
                    index: LogIndex(UInt64(entries.count + 1)), term: Term(UInt64(term)),
                    payload: Array(rest.prefix(Int(count)))))
            rest = rest.dropFirst(Int(count))
        }
        return entries
    }
}
