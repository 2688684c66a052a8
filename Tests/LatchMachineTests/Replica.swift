import LatchMachine
import Testing

/// A machine with the two things a test needs around it: the next index and the leader's log time.
///
/// Every entry is also applied to a second machine that was restored from a snapshot of the first
/// one just before, so each test of behaviour is a test of the snapshot as well (I22).
struct Replica {
    var machine: LatchMachine
    /// Stamped into the next entries, in milliseconds.
    var time: UInt64 = 0
    /// Of the next entries: the term of their leader, and its wall clock.
    var raftTerm: UInt64 = 1
    var wallTime: UInt64 = 0
    let limits: Limits
    /// Whether to apply everything to a restored copy too.
    var checksRestore = true
    /// Whether to look at the whole machine after each entry.
    var checksInvariants = true

    init(_ limits: Limits = .standard, incarnation: UInt16 = 0) {
        self.limits = limits
        machine = LatchMachine(incarnation: incarnation, limits: limits)
    }

    /// Applies a command at the next index.
    @discardableResult
    mutating func apply(_ command: Command) -> [Outcome] {
        let index = machine.lastApplied + 1
        let record = LogRecord(
            origin: 1, number: index, logTimeMilliseconds: time, wallTimeMilliseconds: wallTime,
            command: command)
        var copy =
            checksRestore
            ? try? LatchMachine(snapshot: machine.encodeSnapshot(), limits: limits) : nil
        var outcomes: [Outcome] = []
        machine.apply(record, at: index, raftTerm: raftTerm, into: &outcomes)
        if checksInvariants { #expect(machine.brokenInvariants() == []) }
        if checksRestore {
            var again: [Outcome] = []
            copy?.apply(record, at: index, raftTerm: raftTerm, into: &again)
            #expect(again == outcomes)
            #expect(copy?.digest == machine.digest)
            #expect(copy?.encodeSnapshot() == machine.encodeSnapshot())
        }
        return outcomes
    }

    /// Applies a command and returns its answer, the last outcome.
    @discardableResult
    mutating func answer(_ command: Command) -> Answer? {
        guard case .answer(let answer)? = apply(command).last else { return nil }
        return answer
    }

    mutating func open(_ name: PrimitiveName = .demo, timeout: UInt64 = 3_000) -> SessionID {
        guard
            case .sessionOpened(let id)? = answer(
                .openSession(name, timeoutMilliseconds: timeout))
        else { return 0 }
        return id
    }

    @discardableResult
    mutating func latch(
        _ session: SessionID, _ requestID: UInt64, _ participant: String,
        of name: PrimitiveName = .demo
    ) -> Answer? {
        answer(.latch(name, session, requestID: requestID, participant: participant))
    }

    @discardableResult
    mutating func events(
        _ session: SessionID, _ requestID: UInt64, seen index: UInt64 = .max,
        of name: PrimitiveName = .demo
    ) -> Answer? {
        answer(.openStream(name, session, requestID: requestID, index: index))
    }

    /// One keep-alive.
    @discardableResult
    mutating func renew(
        _ session: SessionID, upTo requestID: UInt64 = 0,
        _ streams: [StreamAcknowledgement] = [], of name: PrimitiveName = .demo
    ) -> [Outcome] {
        apply(
            .renew([
                Renewal(
                    primitive: name, session: session, acknowledgedRequestID: requestID,
                    streams: streams)
            ]))
    }

    func state(_ name: PrimitiveName = .demo) -> LatchState? { machine.latchState(name) }
}

extension PrimitiveName {
    static let demo = PrimitiveName(namespace: "app", name: "demo")
    static let other = PrimitiveName(namespace: "app", name: "other")
}

extension Answer {
    /// The latch in a Latch answer.
    var latch: LatchState? {
        if case .latched(let state, _) = self { state } else { nil }
    }
}

extension [Outcome] {
    /// The frames among them, in order.
    var frames: [(key: StreamKey, frame: Frame)] {
        compactMap { if case .frame(let key, let frame) = $0 { (key, frame) } else { nil } }
    }
}

extension Outcome {
    /// Whether it says only that a latch shows something else.
    var isChange: Bool {
        if case .changed = self { true } else { false }
    }

    /// Whether it decides a command that was held.
    var isHeld: Bool {
        if case .heldAnswer = self { true } else { false }
    }
}
