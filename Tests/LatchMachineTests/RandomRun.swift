import LatchMachine
import SeededRandom

/// One seeded random log, applied to a machine, to one that is restored from a snapshot now and
/// then, and to an observer that knows only outcomes.
struct RandomRun {
    private(set) var broken: [String] = []
    private(set) var reached: Set<String> = []

    private var generator: SplitMix
    private var machine: LatchMachine
    private var restored: LatchMachine
    private let limits: Limits
    private var observer = Observer()
    private var time: UInt64 = 0
    private var sessions: [(id: SessionID, name: PrimitiveName, next: UInt64)] = []
    private let names = ["a", "b", "é"].map { PrimitiveName(namespace: "n", name: $0) }

    init(seed: UInt64) {
        generator = SplitMix(seed: seed)
        var limits = Limits()
        limits.sessions = 8
        limits.participantsPerLatch = 5
        limits.streamsPerSession = 3
        limits.heldCommandsPerSession = 2
        limits.answersPerSession = 4
        limits.eventsPerLatch = Int.random(in: 1...6, using: &generator)
        limits.ringNamesPerLatch = 16
        limits.sessionsPerExpiry = 3
        self.limits = limits
        machine = LatchMachine(incarnation: 3, limits: limits)
        restored = machine
    }

    mutating func step() {
        if chance(5) { restore() }
        if chance(40) { time += UInt64.random(in: 0...60, using: &generator) }
        let index = machine.lastApplied + 1
        if chance(3) {
            machine.skip(to: index)
            restored.skip(to: index)
            return
        }
        let command = randomCommand()
        let record = LogRecord(
            origin: 1, number: index, logTimeMilliseconds: time,
            wallTimeMilliseconds: index % 3 == 0 ? 0 : index, command: command)
        if (try? LogRecord(decoding: record.encoded())) != record {
            broken.append("\(record) is not what it encodes to")
        }
        var outcomes: [Outcome] = []
        machine.apply(record, at: index, raftTerm: index / 20, into: &outcomes)
        var again: [Outcome] = []
        restored.apply(record, at: index, raftTerm: index / 20, into: &again)
        if outcomes != again { broken.append("\(index): outcomes differ after a restore") }
        if machine.digest != restored.digest { broken.append("\(index): digests differ") }
        broken += machine.brokenInvariants().map { "\(index): \($0)" }
        observer.observe(command, outcomes, at: index, machine)
        broken += observer.broken
        observer.broken = []
        reached.formUnion(observer.reached)
        note(outcomes)
    }

    private mutating func note(_ outcomes: [Outcome]) {
        for case .answer(.sessionOpened(let id)) in outcomes {
            sessions.append((id, observer.lastOpened, 1))
            if sessions.count > 10 { sessions.removeFirst() }
        }
    }

    /// The second machine goes on from bytes, which must be the same for both and survive a round.
    private mutating func restore() {
        let bytes = machine.encodeSnapshot()
        if restored.encodeSnapshot() != bytes { broken.append("equal states, unequal snapshots") }
        guard let decoded = try? LatchMachine(snapshot: bytes, limits: limits) else {
            broken.append("a snapshot does not decode")
            return
        }
        if decoded.encodeSnapshot() != bytes { broken.append("encode, decode, encode differs") }
        if decoded.fullDigest() != machine.fullDigest() { broken.append("full digests differ") }
        restored = decoded
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &generator) < percent
    }

    private mutating func pick<Element>(_ elements: [Element], or other: Element) -> Element {
        elements.randomElement(using: &generator) ?? other
    }

    private mutating func randomCommand() -> Command {
        let name = pick(names, or: names[0])
        guard !sessions.isEmpty, !chance(12) else {
            return .openSession(
                name, timeoutMilliseconds: UInt64.random(in: 10...300, using: &generator))
        }
        let position = Int.random(in: 0..<sessions.count, using: &generator)
        let session = sessions[position]
        let own = chance(97) ? session.name : name
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<38: return latchCommand(own, session.id, position)
        case 38..<56:
            let seen = UInt64.random(in: 0...(machine.lastApplied + 1), using: &generator)
            return .openStream(own, session.id, requestID: requestID(position), index: seen)
        case 56..<74: return .renew(renewals())
        case 74..<80:
            return .closeGap(
                session.id, requestID: session.next + UInt64.random(in: 0...2, using: &generator))
        case 80..<84: return .closeSession(own, session.id)
        case 84: return .deletePrimitive(name)
        case 85..<88:
            return .leaderElected(
                graceMilliseconds: UInt64.random(in: 0...100, using: &generator),
                incarnation: UInt16.random(in: 0...9, using: &generator))
        default:
            var expiries = machine.expiredSessions(at: time)
            if chance(20) {
                expiries.append(Expiry(session: session.id, deadlineMilliseconds: time))
            }
            return .expire(expiries)
        }
    }

    private mutating func latchCommand(
        _ name: PrimitiveName, _ session: SessionID, _ position: Int
    ) -> Command {
        let participant = pick(["p", "q", "e\u{301}", "\u{e9}"], or: "p")
        let current = machine.latchState(name)?.fencingToken ?? 0
        let token = chance(85) ? current : UInt64.random(in: 0...(current &+ 1), using: &generator)
        let holder = chance(70) ? machine.view(name)?.owners.first ?? session : session
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<62:
            return .latch(
                name, session, requestID: requestID(position), participant: participant)
        case 62..<75:
            return .leave(
                name, session, requestID: requestID(position), participant: participant)
        case 75..<83:
            let of = sessions.firstIndex { $0.id == holder } ?? position
            return .handOver(
                name, sessions[of].id, requestID: requestID(of), fencingToken: token,
                to: participant)
        case 83..<91:
            let of = sessions.firstIndex { $0.id == holder } ?? position
            return .publish(
                name, sessions[of].id, requestID: requestID(of), fencingToken: token,
                value: participant)
        case 91..<95:
            return .handOver(name, 0, requestID: 0, fencingToken: token, to: participant)
        default:
            return .evict(
                name, participant: participant, session: chance(70) ? 0 : session,
                fencingToken: chance(70) ? 0 : token)
        }
    }

    /// Mostly the next id, sometimes one before it, one after it, or none.
    private mutating func requestID(_ position: Int) -> UInt64 {
        let next = sessions[position].next
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<55:
            sessions[position].next += 1
            return next
        case 55..<75: return UInt64.random(in: 1...max(next, 1), using: &generator)
        case 75..<97: return next + UInt64.random(in: 1...3, using: &generator)
        default: return 0
        }
    }

    private mutating func renewals() -> [Renewal] {
        var chosen = sessions.filter { _ in chance(40) }
        chosen.sort { $0.id < $1.id }
        return chosen.map { session in
            var streams: [StreamAcknowledgement] = []
            for id in 1..<(session.next + 3) where chance(70) {
                streams.append(
                    StreamAcknowledgement(
                        stream: id, responseID: UInt64.random(in: 0...4, using: &generator)))
            }
            return Renewal(
                primitive: session.name, session: session.id,
                acknowledgedRequestID: UInt64.random(in: 0...session.next, using: &generator),
                streams: streams)
        }
    }
}
