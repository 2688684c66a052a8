import LatchMachine

@testable import LatchNode
@testable import LatchService

/// What the cluster says to whatever a call asks, made up from one byte.
enum ClusterAnswer {
    /// Done; there is the latch of ``view``.
    case decided
    /// Done; there is no such latch, or not any more.
    case absent
    case refused(Rejection)
    case unknownSession
    case failed(NodeFailure)

    private static let all: [Self] =
        [.decided, .absent, .unknownSession]
        + [
            .unknownSession, .alreadyAcknowledged, .gap, .requestMismatch, .limit("sessions"),
            .tooManyHeld, .tokenMoved, .noSuchParticipant, .noSuchPrimitive,
        ].map(Self.refused)
        + [
            .noLeader, .overloaded("full"), .outcomeUnknown, .notUnderstood, .gap, .shuttingDown,
        ].map(Self.failed)

    init(_ byte: UInt8) { self = Self.all[Int(byte) % Self.all.count] }

    static let session: SessionID = 3

    /// A latch with a ledger of four terms: session 3 holds it as "beta", session 2 waits.
    static let view: LatchView = {
        let name = PrimitiveName(namespace: "apps", name: "demo")
        var machine = LatchMachine(limits: .standard)
        var outcomes: [Outcome] = []
        let story: [Command] = [
            .leaderElected(graceMilliseconds: 50),
            .openSession(name, timeoutMilliseconds: 10_000),
            .openSession(name, timeoutMilliseconds: 10_000),
            .latch(name, 2, requestID: 0, participant: "alpha"),
            .latch(name, 3, requestID: 0, participant: "beta"),
            .leave(name, 2, requestID: 0, participant: "alpha"),
            .latch(name, 2, requestID: 0, participant: "alpha"),
            .handOver(name, 0, requestID: 0, fencingToken: 6, to: "alpha"),
            .evict(name, participant: "alpha", session: 0, fencingToken: 0),
            .latch(name, 2, requestID: 0, participant: "alpha"),
        ]
        for (index, command) in story.enumerated() {
            let record = LogRecord(
                origin: 1, number: 1, logTimeMilliseconds: 10, command: command)
            machine.apply(record, at: UInt64(index) + 1, raftTerm: 1, into: &outcomes)
        }
        guard let view = machine.view(name), view.owners == [3, 2], view.ledger.count == 4 else {
            fatalError("the story of the latch went another way")
        }
        return view
    }()

    private var view: LatchView? { if case .absent = self { nil } else { Self.view } }

    /// Answers one request; a watcher is shown the latch.
    func answer(_ request: NodeRequest) {
        switch request {
        case .command(let command, let sink): sink.complete(result(decidedResult(command)))
        case .read(let query, let sink): sink.complete(result(decidedResult(query)))
        case .renew(let renewal, let sink): sink.complete(Self.renewed(renewal.session))
        case .localView(_, let sink):
            sink.complete(.localView(view, index: Self.view.index, ageMilliseconds: 5))
        case .observe(_, _, let sink):
            if case .failed(let failure) = self { return sink.end(failure) }
            sink.show(view, index: Self.view.index)
        case .subscribe, .status, .unsubscribe, .stopObserving: break
        }
    }

    private func result(_ decided: NodeResult) -> NodeResult {
        switch self {
        case .decided, .absent: decided
        case .refused(let rejection): .answer(.refused(rejection), index: Self.view.index)
        case .unknownSession: .unknownSession
        case .failed(let failure): .failed(failure)
        }
    }

    private func decidedResult(_ command: Command) -> NodeResult {
        let index = Self.view.index
        return switch command {
        case .openSession: .answer(.sessionOpened(Self.session), index: index)
        case .closeSession, .deletePrimitive: .answer(.closed, index: index)
        case .latch, .leave, .handOver, .publish, .evict:
            .answer(.latched(Self.view.state, index: 5), index: index)
        case .leaderElected, .renew, .openStream, .closeGap, .expire: .answer(.done, index: index)
        }
    }

    private func decidedResult(_ query: ReadQuery) -> NodeResult {
        let index = Self.view.index
        switch query {
        case .get: return .latch(Self.view.state, index: index)
        case .view: return .view(view, index: index)
        case .list(_, _, _, let limit):
            let row = ListedLatch(name: Self.view.name, state: Self.view.state)
            let count = view == nil ? 0 : limit
            return .latches(Array(repeating: row, count: count), index: index)
        case .primitives: return .primitives([Self.view.name])
        }
    }

    /// Of a session's renewal, by the session's number: alive (with or without a view of its
    /// latch), lost or undecided.
    static func renewed(_ session: SessionID) -> NodeResult {
        switch session % 4 {
        case 0: .renewed(true, timeoutMilliseconds: 10, nil)
        case 1: .renewed(false, timeoutMilliseconds: 0, nil)
        case 2: .failed(.noLeader)
        default:  // default: open set (numbers)
            .renewed(true, timeoutMilliseconds: 86_400_000, view)
        }
    }
}
