import LatchMachine
import RaftCore

/// The one true history: every committed entry is applied once more, by a machine that no fault can
/// reach. What nodes hold, answer and stream is compared with it.
struct Truth {
    private(set) var machine: LatchMachine
    private var restored = RestoredMachines()
    var latches = LatchObserver()
    private(set) var ledgers = LedgerChecks()
    /// Every frame that each stream ever had, from response id 1 on (I17).
    private(set) var frames: [StreamKey: [Frame]] = [:]
    private var states: [PrimitiveName: [(index: UInt64, state: LatchState?)]] = [:]
    private var outcomes: [Outcome] = []
    /// A call by the node that took it and that node's number for it.
    private struct CallName: Hashable {
        let origin: UInt16
        let number: UInt64
        var term = Term.zero
    }

    /// The calls applied that would mean more if they were applied twice.
    private var once: Set<CallName> = []
    private var appended: Set<CallName> = []

    init(limits: Limits) {
        machine = LatchMachine(limits: limits)
    }

    /// Applies the next committed entry; returns what it meant.
    mutating func apply(
        _ entry: Entry, at now: UInt64
    ) throws(Violation) -> (record: LogRecord, outcomes: [Outcome])? {
        let index = entry.index.rawValue
        guard !entry.payload.isEmpty else {
            machine.skip(to: index)
            try restored.apply(nil, term: entry.term.rawValue, truth: machine)
            return nil
        }
        let record: LogRecord
        do {
            record = try LogRecord(decoding: entry.payload)
        } catch {
            throw Violation("I6 committed is for ever", "entry \(index) does not decode: \(error)")
        }
        try noteOnce(record, at: index)
        outcomes.removeAll(keepingCapacity: true)
        machine.apply(record, at: index, raftTerm: entry.term.rawValue, into: &outcomes)
        try latches.note(record, at: index, outcomes: outcomes, machine: machine, now: now)
        let applied = LedgerChecks.Applied(
            record: record, index: index, outcomes: outcomes, machine: machine, now: now)
        try ledgers.note(applied) { latches.safeUntil($0) }
        for outcome in outcomes { try noteFrames(outcome) }
        for name in SimulatedClient.names { noteState(of: name, at: index) }
        try restored.apply(record, term: entry.term.rawValue, truth: machine)
        return (record, outcomes)
    }

    /// A snapshot of a node gives this machine: from now on it must do what the true one does.
    mutating func noteRestored(_ machine: LatchMachine) throws(Violation) {
        try restored.add(machine, truth: self.machine)
    }

    /// I12: a call that must not be repeated stands in the log once, whatever became of the links.
    private mutating func noteOnce(_ record: LogRecord, at index: UInt64) throws(Violation) {
        guard !record.command.mayBeAppliedTwice else { return }
        let name = CallName(origin: record.origin, number: record.number)
        try require(
            once.insert(name).inserted, "I12 exactly once",
            "\(record.command) of node \(record.origin) is applied again at \(index)")
    }

    /// I12, before anything is committed: a leader appends such a call once in its term.
    mutating func noteAppended(_ entry: Entry) throws(Violation) {
        guard let record = try? LogRecord(decoding: entry.payload),
            !record.command.mayBeAppliedTwice
        else { return }
        let name = CallName(origin: record.origin, number: record.number, term: entry.term)
        try require(
            appended.insert(name).inserted, "I12 exactly once",
            "\(record.command) of node \(record.origin) is appended again at \(entry.index)")
    }

    private mutating func noteFrames(_ outcome: Outcome) throws(Violation) {
        switch outcome {
        case .frame(let key, let frame):
            try note(frame, of: key)
        case .answer(.streamOpened(let key, let replay)),
            .heldAnswer(_, _, .streamOpened(let key, let replay)):
            for frame in replay { try note(frame, of: key) }
        case .answer, .heldAnswer, .streamTaken, .sessionEnded, .changed:
            break
        }
    }

    private mutating func note(_ frame: Frame, of key: StreamKey) throws(Violation) {
        let count = UInt64(frames[key]?.count ?? 0)
        if frame.responseID == count + 1 {
            frames[key, default: []].append(frame)
            return
        }
        try checkFrame(frame, of: key)
    }

    /// A frame that somebody got is the one that the stream has at its place.
    func checkFrame(_ frame: Frame, of key: StreamKey) throws(Violation) {
        let all = frames[key] ?? []
        let position = Int(clamping: frame.responseID) - 1
        guard all.indices.contains(position) else {
            throw Violation(
                "I17 event streams", "\(key) has \(all.count) frames, not \(frame.responseID)")
        }
        try require(
            all[position] == frame, "I17 event streams",
            "frame \(frame.responseID) of \(key) is \(all[position]), and also \(frame)")
    }

    private mutating func noteState(of name: PrimitiveName, at index: UInt64) {
        let state = machine.latchState(name)
        guard states[name]?.last?.state != state else { return }
        states[name, default: []].append((index, state))
    }

    /// What somebody was shown of a latch at `index` is what it was then.
    func check(_ view: LatchView?, of name: PrimitiveName, at index: UInt64) throws(Violation) {
        try require(
            index <= machine.lastApplied, "I25 observers", "\(name) is shown at \(index)")
        try require(
            state(of: name, at: index) == view?.state, "I25 observers",
            "\(name) at \(index) is shown as \(String(describing: view?.state)), it was "
                + String(describing: state(of: name, at: index)))
        if let view { try ledgers.check(view, at: index) }
    }

    /// The latch right after the entry at `index`.
    func state(of name: PrimitiveName, at index: UInt64) -> LatchState? {
        let history = states[name] ?? []
        return history.last { $0.index <= index }?.state
    }
}
