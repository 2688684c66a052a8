import LatchMachine

/// Machines read from the snapshots that nodes wrote, which go on beside the true one: whatever a
/// snapshot forgets shows as soon as it matters, also when no node ever starts from it (I8).
struct RestoredMachines {
    /// Every committed entry from index 1 on; nil for one that holds no record.
    private var records: [(record: LogRecord, term: UInt64)?] = []
    private var machines: [LatchMachine] = []
    /// Of the snapshot that the newest machine was read from.
    private var newestIndex: UInt64 = 0
    private var outcomes: [Outcome] = []

    // Each machine costs as much as the true one.
    private static let most = 4
    private static let entriesApart: UInt64 = 4

    /// The next entry was committed; after it every machine has this digest.
    mutating func apply(
        _ record: LogRecord?, term: UInt64, truth: LatchMachine
    ) throws(Violation) {
        records.append(record.map { ($0, term) })
        for position in machines.indices {
            var machine = machines[position]
            advance(&machine)
            try compare(machine, truth)
            machines[position] = machine
        }
    }

    /// Takes a machine that was just read from a snapshot. The true machine has applied every entry
    /// so far.
    mutating func add(_ restored: LatchMachine, truth: LatchMachine) throws(Violation) {
        let index = restored.lastApplied
        guard index >= newestIndex + Self.entriesApart, index <= records.count else { return }
        newestIndex = index
        var machine = restored
        while machine.lastApplied < records.count { advance(&machine) }
        try compare(machine, truth)
        if machines.count == Self.most { machines.removeFirst() }
        machines.append(machine)
    }

    private mutating func advance(_ machine: inout LatchMachine) {
        let index = machine.lastApplied + 1
        if let (record, term) = records[Int(index) - 1] {
            outcomes.removeAll(keepingCapacity: true)
            machine.apply(record, at: index, raftTerm: term, into: &outcomes)
        } else {
            machine.skip(to: index)
        }
    }

    private func compare(_ machine: LatchMachine, _ truth: LatchMachine) throws(Violation) {
        try require(
            machine.digest == truth.digest, "I8 restored machine",
            "a machine read from a snapshot is another one at \(machine.lastApplied)")
        for name in SimulatedClient.names {
            // The chain of the last record is over all of them.
            let (ledger, real) = (machine.view(name)?.ledger, truth.view(name)?.ledger)
            try require(
                ledger?.count == real?.count && ledger?.last == real?.last, "I23 ledger",
                "\(name) at \(machine.lastApplied): a machine read from a snapshot has another "
                    + "ledger")
        }
    }
}
