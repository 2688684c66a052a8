import Synchronization

/// One participation in one latch: a session that is kept alive, and a place in the queue.
///
/// Being in charge is a pair of token and deadline, never a mere flag: ``grant`` is nil from the
/// deadline on, whether or not anybody could be asked. The deadline counts from sending the last
/// acknowledged keep-alive, on a clock that goes on while the machine is suspended, and comes a
/// thousandth of the TTL (at least 1 ms) early, for clocks that do not run at the same rate.
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

    private let core: HoldCore
    private let running: Task<Void, Never>
    /// The leaving that is under way or succeeded; nil after one that failed.
    private let leaving = Mutex<Task<Void, any Error>?>(nil)

    init(core: HoldCore, states: AsyncStream<HoldState>) {
        self.core = core
        self.states = states
        namespace = core.session.name.namespace
        name = core.session.name.name
        participant = core.participant
        ttl = core.session.schedule.ttl
        running = Task { await core.run() }
    }

    /// Without a last keep-alive the session expires by itself. Prefer ``leave()``.
    deinit { running.cancel() }

    /// The id of the session.
    public var sessionID: UInt64 { core.session.book.withLock { $0.sessionID } }

    /// The session is certainly alive until then.
    public var deadline: ContinuousClock.Instant { core.session.deadline }

    /// Where this participant stands now.
    public var state: HoldState { core.state }

    /// The right to act, if there is one at this moment.
    public var grant: LatchGrant? {
        if case .holding(let grant) = state { grant } else { nil }
    }

    /// Leaves the latch; the next participant holds it at once. From the first moment on
    /// ``grant`` is nil. Of a hold that was lost nothing is left to leave. Goes on when the
    /// calling task is cancelled.
    /// - Throws: ``LatchError`` if no node confirmed it in time: then the session ends by its TTL.
    ///   Calling again tries again.
    public func leave() async throws {
        let task = leaving.withLock { leaving in
            if let leaving { return leaving }
            let isOpen = core.beginLeaving()
            running.cancel()
            let task = Task { [core, running] in
                await running.value
                if isOpen { try await core.close() }
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
