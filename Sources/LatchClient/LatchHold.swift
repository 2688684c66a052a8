import LatchAPI
import Synchronization

/// One participation in one latch: a session that is kept alive, and a place in the queue. It never
/// joins again by itself: ``Latch`` and
/// ``LatchCluster/withLatch(_:namespace:participant:ttl:wait:_:)`` do.
///
/// Being in charge is a pair of token and deadline, never a mere flag: ``grant`` is nil from the
/// deadline on, whether or not anybody could be asked. The deadline counts from sending the last
/// acknowledged keep-alive, on a clock that goes on while the machine is suspended, and comes a
/// thousandth of the TTL (at least 1 ms) early, for clocks that do not run at the same rate.
///
/// Who waits keeps its place for as long as its session lives on the servers, also while they
/// cannot be reached.
public final class LatchHold: Sendable {
    /// The namespace of the latch.
    public let namespace: String
    /// The name of the latch.
    public let name: String
    /// The id under which this participant is in the latch.
    public let participant: String
    /// How long the session outlives its last keep-alive, in whole milliseconds.
    public let ttl: Duration
    /// Every change of state, the current one first. One consumer; ends after
    /// ``HoldState/lost(_:)`` or ``HoldState/left``. A slow consumer misses the oldest states,
    /// never the newest.
    public let states: AsyncStream<HoldState>

    private let participation: Participation
    private let log: HoldLog
    private let running: Task<Void, Never>
    /// The leaving that is under way or succeeded; nil after one that failed.
    private let leaving = Mutex<Task<Void, any Error>?>(nil)

    private init(
        participation: Participation, log: HoldLog, states: AsyncStream<HoldState>,
        running: Task<Void, Never>
    ) {
        self.participation = participation
        self.log = log
        self.states = states
        self.running = running
        namespace = participation.name.namespace
        name = participation.name.name
        participant = participation.participant
        ttl = participation.schedule.ttl
    }

    /// Opens a session and takes a place in the queue.
    static func join(
        _ request: Participation.Request, calls: Calls, keeper: SessionKeeper
    ) async throws -> LatchHold {
        var request = request
        let (states, output) = AsyncStream<HoldState>.makeStream(
            bufferingPolicy: .bufferingNewest(64))
        let log = HoldLog(output)
        request.namesHolder = { log.holder = $0 }
        let participation = try await Participation.open(request, calls: calls, keeper: keeper) {
            log.note($0, $1)
        }
        let (joined, signal) = AsyncThrowingStream<Void, any Error>.makeStream()
        let running = Task {
            do {
                try await participation.run { signal.finish() }
            } catch {
                signal.finish(throwing: error)
            }
        }
        do {
            try await withTaskCancellationHandler {
                for try await _ in joined {}
                try Task.checkCancellation()
            } onCancel: {
                running.cancel()
            }
        } catch {
            // What joined, or may have joined, must not stay.
            running.cancel()
            await participation.abandon()
            throw error
        }
        return LatchHold(participation: participation, log: log, states: states, running: running)
    }

    /// Without a last keep-alive the session expires by itself. Prefer ``leave()``.
    deinit { running.cancel() }

    /// The id of the session.
    public var sessionID: UInt64 { participation.wire.id }

    /// The session is certainly alive until then.
    public var deadline: ContinuousClock.Instant { participation.cell.deadline }

    /// Where this participant stands now.
    public var state: HoldState {
        // What time alone has decided is told first.
        participation.cell.advance()
        return log.state
    }

    /// The right to act, if there is one at this moment.
    public var grant: Grant? {
        if case .holding(let grant) = state { grant } else { nil }
    }

    /// The latch is held, but the cluster does not confirm it: it may have no quorum. The deadline
    /// of the grant still counts.
    public var isInJeopardy: Bool { participation.cell.isInJeopardy }

    /// Tells those who look at the latch a small text: an address, say. It is gone when the latch
    /// changes hands.
    /// - Throws: ``LatchError``: `grantLost` if the latch is not held here, `tokenMoved` if the
    ///   servers know better, `invalidArgument` for more than 1024 bytes.
    public func publish(_ value: String) async throws {
        guard let grant else { throw LatchError(.grantLost, "this participant does not hold it") }
        try await participation.publish(value, token: grant.fencingToken)
    }

    /// Passes the latch to a participant that waits. From the first moment on ``grant`` is nil;
    /// this participant becomes the last in line.
    /// - Throws: ``LatchError``: `grantLost` if the latch is not held here; `notFound` if nobody of
    ///   that name waits, and then it is held on. If the servers refuse or do not answer after
    ///   that, the session is closed and the hold is over; `outcomeUnknown` if they refuse what an
    ///   attempt whose answer was lost may have done.
    public func handOver(to participant: String) async throws {
        guard let grant else { throw LatchError(.grantLost, "this participant does not hold it") }
        try await participation.handOver(to: participant, token: grant.fencingToken)
    }

    /// Leaves the latch; the next participant holds it at once. From the first moment on
    /// ``grant`` is nil. Of a hold that was lost nothing is left to leave. Goes on when the
    /// calling task is cancelled.
    /// - Throws: ``LatchError`` if no node confirmed it in time: then the session ends by its TTL.
    ///   Calling again tries again.
    public func leave() async throws {
        let task = leaving.withLock { leaving in
            if let leaving { return leaving }
            participation.cell.advance()
            let isOpen = log.beginLeaving()
            participation.drop(.resigned)
            let task = Task { [participation, running, log] in
                defer { log.finish() }
                running.cancel()
                let remaining = participation.cell.deadline - .now
                guard isOpen else { return }
                // After the deadline nobody need be sure that it is closed.
                guard remaining > .zero else { return await participation.abandon() }
                try await participation.leave(within: remaining)
            }
            leaving = task
            return task
        }
        do {
            try await task.value
        } catch {
            leaving.withLock { if $0 == task { $0 = nil } }
            throw error
        }
    }
}

/// The states of a hold: the one now, and the stream of them.
final class HoldLog: Sendable {
    private struct State {
        var current = HoldState.waiting(position: 1, holder: nil)
        var isLeaving = false
        var holder: String?
    }

    private let values = Mutex(State())
    private let output: AsyncStream<HoldState>.Continuation

    init(_ output: AsyncStream<HoldState>.Continuation) {
        self.output = output
    }

    var state: HoldState { values.withLock { $0.current } }

    /// Who holds the latch while this participant waits, as far as it is known.
    var holder: String? {
        get { values.withLock { $0.holder } }
        set { values.withLock { $0.holder = newValue } }
    }

    /// Takes down what a belief tells.
    func note(_ change: Belief.Change, _ cell: BeliefCell) {
        values.withLock { values in
            guard !values.isLeaving else { return }
            switch change {
            case .queued(let position):
                values.current = .waiting(position: position + 1, holder: values.holder)
            case .began(let token, let term):
                // Whoever comes after is not who was before.
                values.holder = nil
                values.current = .holding(Grant(fencingToken: token, term: term, cell: cell))
            case .ended:
                // What it is now comes with the next change.
                values.current = .waiting(position: 2, holder: nil)
                return
            case .over(let reason):
                values.current = .lost(reason)
                output.yield(values.current)
                return output.finish()
            case .jeopardy, .confirmed:
                return
            }
            output.yield(values.current)
        }
    }

    /// From here on nothing is held. False if it was lost, so that there is nothing to leave.
    func beginLeaving() -> Bool {
        values.withLock { values in
            if case .lost = values.current { return false }
            values.isLeaving = true
            values.current = .left
            return true
        }
    }

    /// Tells that the hold was left, unless it was lost.
    func finish() {
        values.withLock { values in
            if case .left = values.current { output.yield(.left) }
            output.finish()
        }
    }
}
