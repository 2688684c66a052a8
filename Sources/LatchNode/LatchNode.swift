package import LatchMachine
package import Logging
package import NIOCore
package import PeerTransport
package import RaftCore
package import RaftStorage
import Synchronization

/// One node: the single owner of a `Raft` and a `LatchMachine` value.
///
/// Everything happens in turns on `loop`. A turn takes what came in (peers, disk, clients, time),
/// steps the Raft server with all of it, and executes the one resulting `Effects`. Other threads
/// only post to the inbox. Nothing awaits between reading and writing Raft state.
package final class LatchNode: @unchecked Sendable {
    package let loop: any EventLoop
    package let settings: NodeSettings
    let logger: Logger
    let storage: any NodeDisk
    let transport: any PeerLinks
    let encodeSnapshot: SnapshotEncoder
    let inbox: Inbox
    let published: Mutex<NodeStatus>
    let onHalt: @Sendable (HaltReason) -> Void

    // Everything below is touched on `loop` only.
    package internal(set) var raft: Raft
    package internal(set) var machine: LatchMachine
    var effects = Effects()
    var outcomes: [Outcome] = []
    var outbox = Outbox()
    var received: [(frame: PeerFrame, from: ServerID)] = []
    var linkEvents: [Input] = []
    /// This turn's commands for the log, not yet stepped.
    var proposals: [(origin: ServerID, number: UInt64, term: Term, command: [UInt8])] = []
    var heldEnvelopes: [(id: PersistID, envelopes: [Envelope])] = []

    var calls: CallTable
    var renewals = RenewalBuffer()
    var held = HeldCalls()
    var reads: ReadTable
    /// Sessions whose request ids moved on since reads were last answered.
    var touchedSessions: [SessionID] = []
    var foreignReads: [UInt64: (server: ServerID, number: UInt64)] = [:]
    var subscribers = Subscribers()
    var observers = Observers()
    /// Once since the start, everything committed so far was applied here.
    var hasBeenUpToDate = false
    /// When a leader that is current was last heard from; nil before the first.
    var leaderHeardAt: Instant?
    var logClock: LogClock
    var digests: DigestLedger

    var leadership = Leadership()
    var lastAppliedTerm: Term
    var leaderCommands: [UInt64: LeaderCommand] = [:]
    /// The term whose election's grace is in the log; nil before the first.
    var graceTerm: Term?
    /// When this node last stamped entries as leader.
    var lastStamp = Instant(milliseconds: 0)
    /// Until then nothing is forwarded, since the leader has just refused.
    var holdOffUntil: Instant?
    /// Servers whose link is new: what was sent over the old one may be lost.
    var reconnected: Set<ServerID> = []
    var isStopping = false
    var isSnapshotInProgress = false
    var lastSnapshotIndex: UInt64

    let started: NIODeadline
    var isRunning = false
    var retirement: EventLoopPromise<Void>?
    var wakeUp: Scheduled<Void>?
    private var wakeUpAt: Instant?
    private var isTurnScheduled = false
    var publishedLeadership = Leadership()
    var publishedAt = Instant(milliseconds: 0)
    var isPublicationDue = false
    static let publicationInterval: UInt64 = 20
    /// A turn that lasts so long is logged.
    static let slowTurn = TimeAmount.milliseconds(20)
    var slowTurns = SlowTurns(toldAt: .uptimeNanoseconds(0))
    var meters = NodeMeters()
    var readinessObservers: [@Sendable (Readiness) -> Void] = []
    /// Set before the start, if at all.
    package weak var turnObserver: (any TurnObserver)?
    /// Set before the start, if at all.
    package weak var termObserver: (any TermObserver)?

    /// Why a node stopped itself. It has sent nothing since.
    package enum HaltReason: Sendable, CustomStringConvertible {
        case storage(StorageFailure)
        /// A safety invariant does not hold (I-numbers of `Docs/Testing.md`).
        case invariant(String)

        package var description: String {
            switch self {
            case .storage(let failure): "the disk failed: \(failure)"
            case .invariant(let text): "an invariant does not hold: \(text)"
            }
        }
    }

    /// - Parameters:
    ///   - recovered: what `disk` held at its opening.
    ///   - loop: the node's own event loop, and its clock; peers' sockets live on it too.
    ///   - seed: decides every random number of this process: the Raft server's and the first
    ///     numbers of calls and reads, which must differ from those of earlier processes.
    ///   - onHalt: called once, on `loop`, if the node must stop; the process ends there.
    ///   - links: makes the links to the peers, which call their argument on `loop`.
    /// - Throws: a `DecodingFailure` if the stored snapshot does not decode, a validation error if
    ///   the stored log is not one that a Raft server can start from, an `IncarnationTooLow`.
    package init(
        settings: NodeSettings, disk: any NodeDisk, recovered: PersistentState,
        loop: any EventLoop, seed: UInt64, logger: Logger,
        encodeSnapshot: @escaping SnapshotEncoder,
        onHalt: @escaping @Sendable (HaltReason) -> Void,
        links: (@escaping (PeerEvent) -> Void) -> any PeerLinks
    ) throws {
        let started = loop.now
        let now = Instant(started)
        let cluster = ClusterConfiguration(voters: settings.members.map(\.id))
        self.settings = settings
        self.storage = disk
        self.encodeSnapshot = encodeSnapshot
        self.loop = loop
        self.logger = logger
        self.onHalt = onHalt
        self.started = started
        inbox = Inbox(capacity: settings.maximumPendingCalls)
        raft = try Raft(
            id: settings.server, configuration: cluster, settings: settings.raft, seed: seed,
            restoring: recovered,
            at: now)
        if let snapshot = recovered.snapshot {
            machine = try LatchMachine(restoring: snapshot, limits: settings.limits)
        } else {
            machine = LatchMachine(limits: settings.limits)
        }
        guard settings.incarnation >= machine.incarnation else {
            throw IncarnationTooLow(settings.incarnation, stored: machine.incarnation)
        }
        var numbers = SeededGenerator(seed: ~seed)
        calls = CallTable(firstNumber: numbers.next())
        reads = ReadTable(firstNumber: numbers.next())
        logClock = LogClock(
            maximumStepMilliseconds: settings.raft.electionTimeoutMilliseconds.lowerBound)
        digests = DigestLedger(server: settings.server, majority: cluster.majority)
        lastAppliedTerm = recovered.snapshot?.lastIncludedTerm ?? .zero
        lastSnapshotIndex = recovered.snapshot?.lastIncludedIndex.rawValue ?? 0
        published = Mutex(
            NodeStatus(
                raft: raft.status, sessions: machine.sessionCount,
                primitives: machine.primitiveCount, subscribers: 0,
                pendingCalls: 0, lastApplied: machine.lastApplied,
                logTimeMilliseconds: machine.logTimeMilliseconds,
                digest: machine.digest, uptimeMilliseconds: 0, connectedPeers: [],
                readiness: .notReady, moment: now))
        let relay = PeerEventRelay()
        transport = links { relay.node?.handle($0) }
        relay.node = self
    }

    /// Breaks the cycle between the transport, which needs a handler at birth, and the node that
    /// handles.
    private final class PeerEventRelay: @unchecked Sendable {
        weak var node: LatchNode?
    }

    // MARK: Entry from other threads

    /// Takes one call. Its sink is completed exactly once, on its own loop.
    package func submit(_ request: NodeRequest) {
        switch inbox.offer(request) {
        case .wake: wake()
        case .taken: break
        case .full:
            refuse(
                request, .overloaded("this node has \(settings.maximumPendingCalls) calls waiting"))
        case .closed: refuse(request, .shuttingDown)
        }
    }

    private func refuse(_ request: NodeRequest, _ failure: NodeFailure) {
        if case .observe(_, _, let sink) = request {
            return sink.loop.execute { sink.end(failure) }
        }
        guard let sink = request.caller ?? request.localReader else { return }
        sink.loop.execute { sink.complete(.failed(failure)) }
    }

    func wake() {
        loop.execute { [self] in turn() }
    }

    // MARK: The turn

    var now: Instant { Instant(loop.now) }

    /// Runs another turn soon, after what is already queued on the loop.
    func scheduleTurn() {
        guard isRunning, !isTurnScheduled else { return }
        isTurnScheduled = true
        loop.execute { [self] in
            isTurnScheduled = false
            turn()
        }
    }

    /// One turn: everything that came in, one `Effects`, executed.
    func turn() {
        guard isRunning else { return }
        let began = loop.now
        let contents = inbox.drain()
        // Read after all that came in: a keep-alive counts from its arrival or later, never from
        // before it was sent, or its session would end before its TTL is over (I16).
        let now = now
        if let failure = contents.storageFailure { return halt(.storage(failure)) }
        takeCompletions(contents, at: now)
        takePeers(at: now)
        accept(contents.requests, at: now)
        if now >= raft.deadline { raft.step(.timerFired, at: now, into: &effects) }
        leadWork(at: now)
        keepHouse(at: now)
        dispatch(at: now)
        guard isRunning else { return }
        turnObserver?.willExecute(effects, of: self)
        execute(at: now)
        guard isRunning else { return }
        followLeadership(at: now)
        noteWhetherCommitIsAwaited()
        transport.flush()
        outbox.flush()
        publish(at: now)
        scheduleWakeUp(at: now)
        continueRetirement()
        noteDuration(since: began)
        turnObserver?.didTurn(self)
    }

    private func takeCompletions(_ contents: Inbox.Contents, at now: Instant) {
        if let id = contents.persisted {
            while let first = heldEnvelopes.first, first.id <= id {
                for envelope in heldEnvelopes.removeFirst().envelopes { send(envelope) }
            }
            meters.persistEnded(id, at: loop.now.uptimeNanoseconds)
            raft.step(.persisted(id), at: now, into: &effects)
        }
        if let snapshot = contents.snapshot {
            isSnapshotInProgress = false
            meters.snapshotEnded(bytes: snapshot.data.count, at: loop.now.uptimeNanoseconds)
            note(.snapshotTaken(snapshot.lastIncludedIndex, bytes: snapshot.data.count))
            raft.step(.snapshotTaken(snapshot), at: now, into: &effects)
        }
    }

    private func takePeers(at now: Instant) {
        let frames = received
        received.removeAll(keepingCapacity: true)
        for (frame, server) in frames where isRunning { take(frame, from: server, at: now) }
        guard isRunning else { return }
        let events = linkEvents
        linkEvents = []
        for event in events { raft.step(event, at: now, into: &effects) }
    }

    /// Wakes the loop at the next deadline. A wake-up already set for an earlier moment stays: it
    /// looks again.
    private func scheduleWakeUp(at now: Instant) {
        var next = nextDeadline(at: now)
        if isPublicationDue {
            next = min(next, now.advanced(byMilliseconds: Self.publicationInterval))
        }
        if let wakeUpAt, wakeUpAt <= next, wakeUpAt > now { return }
        wakeUp?.cancel()
        wakeUpAt = next
        wakeUp = loop.scheduleTask(
            in: .milliseconds(Int64(clamping: next.milliseconds(since: now)))
        ) { [self] in
            wakeUpAt = nil
            turn()
        }
    }
}

extension Instant {
    /// The same moment on a loop's clock.
    fileprivate init(_ deadline: NIODeadline) {
        self.init(milliseconds: deadline.uptimeNanoseconds / 1_000_000)
    }
}
