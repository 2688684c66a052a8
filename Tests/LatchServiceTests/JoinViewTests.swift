import LatchAPI
import LatchMachine
import Testing

@testable import LatchService

/// Views as a node shows them, made by a real machine.
struct MachineViews {
    private(set) var machine = LatchMachine()
    private var index: UInt64 = 0
    let name = PrimitiveName(namespace: "n", name: "latch")

    /// Applies a command and returns its answer.
    @discardableResult
    mutating func apply(_ command: Command, at milliseconds: UInt64 = 0) -> Answer {
        index += 1
        var outcomes: [Outcome] = []
        machine.apply(
            LogRecord(
                origin: 1, number: index, logTimeMilliseconds: milliseconds, command: command),
            at: index, raftTerm: 1, into: &outcomes)
        for case .answer(let answer) in outcomes { return answer }
        return .done
    }

    mutating func open(timeout: UInt64 = 1_000) -> SessionID {
        guard
            case .sessionOpened(let session) = apply(
                .openSession(name, timeoutMilliseconds: timeout))
        else { return 0 }
        return session
    }

    mutating func join(_ session: SessionID, _ participant: String) {
        apply(.latch(name, session, requestID: 0, participant: participant))
    }

    var view: LatchView? { machine.view(name) }
}

@Suite("What Join tells of a participant")
struct JoinViewTests {
    private var views = MachineViews()
    private let (one, two): (SessionID, SessionID)

    init() {
        one = views.open()
        two = views.open()
        views.join(one, "a")
        views.join(two, "b")
    }

    private func response(_ session: SessionID, _ name: String) -> Latchd_V1_JoinResponse {
        JoinView(session: session, participant: name).response(to: views.view, index: 99)
    }

    @Test("The holder is told its token and term, the next one its position")
    func positions() throws {
        let holder = response(one, "a")
        #expect(holder.state == .holding)
        #expect(holder.fencingToken == views.view?.state.fencingToken)
        #expect(holder.term == 1)
        #expect(holder.participants == 2)
        #expect(holder.index == 99)
        let next = response(two, "b")
        #expect(next.state == .queued)
        #expect(next.position == 1)
        #expect(next.fencingToken == 0)
    }

    @Test("A participant of the same name in another session is another one")
    func sameName() {
        #expect(response(one, "b").state == .out)
        #expect(response(two, "a").state == .out)
    }

    @Test("A holder that left is out, resigned; its session is open")
    mutating func resigned() {
        views.apply(.leave(views.name, one, requestID: 0, participant: "a"))
        #expect(response(one, "a").state == .out)
        #expect(response(one, "a").cause == .resigned)
        #expect(!JoinView(session: one, participant: "a").isSessionOver(in: views.view))
        #expect(response(two, "b").state == .holding)
    }

    @Test("A holder whose session was closed is out, closed; its session is over")
    mutating func closed() {
        views.apply(.closeSession(views.name, one))
        #expect(response(one, "a").cause == .closed)
        #expect(JoinView(session: one, participant: "a").isSessionOver(in: views.view))
    }

    @Test("One that only waited is in no ledger: out, its session says why")
    mutating func waited() {
        views.apply(.closeSession(views.name, two))
        #expect(response(two, "b").state == .out)
        #expect(response(two, "b").cause == .unspecified)
        #expect(JoinView(session: two, participant: "b").isSessionOver(in: views.view))
    }

    @Test("One that handed over waits; evicted then, it is not told that it handed over")
    mutating func handedOver() throws {
        let token = try #require(views.view?.state.fencingToken)
        views.apply(
            .handOver(views.name, one, requestID: 0, fencingToken: token, to: "b"))
        #expect(response(one, "a").state == .queued)
        #expect(response(two, "b").state == .holding)
        views.apply(.evict(views.name, participant: "a", session: 0, fencingToken: 0))
        #expect(response(one, "a").state == .out)
        #expect(response(one, "a").cause == .unspecified)
    }

    @Test("A deleted latch puts everybody out")
    mutating func deleted() {
        views.apply(.deletePrimitive(views.name))
        #expect(views.view == nil)
        #expect(response(one, "a").cause == .deleted)
        #expect(JoinView(session: one, participant: "a").isSessionOver(in: nil))
    }

    @Test("A token is current, outdated once a later grant came, unknown if never granted")
    mutating func verdicts() throws {
        let first = try #require(views.view?.state.fencingToken)
        #expect(views.view?.verdict(on: first) == .current)
        #expect(views.view?.verdict(on: 0) == .unknown)
        #expect(views.view?.verdict(on: first + 1) == .unknown)
        #expect(views.view?.verdict(on: first - 1) == .unknown)
        views.apply(.leave(views.name, one, requestID: 0, participant: "a"))
        let second = try #require(views.view?.state.fencingToken)
        #expect(views.view?.verdict(on: first) == .outdated)
        #expect(views.view?.verdict(on: second) == .current)
        views.apply(.leave(views.name, two, requestID: 0, participant: "b"))
        #expect(views.view?.verdict(on: second) == .outdated)
    }
}
