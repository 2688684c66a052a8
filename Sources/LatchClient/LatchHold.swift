import LatchAPI
import Synchronization

/// One participation in one latch: a session that is kept alive, and a place in the queue.
///
/// Being in charge is a pair of token and deadline, never a mere flag: ``grant`` is nil from the
/// deadline on, whether or not anybody could be asked. The deadline counts from sending the last
/// acknowledged keep-alive, on a clock that goes on while the machine is suspended.
public final class LatchHold: Sendable {
    /// The namespace of the latch.
    public let namespace: String
    /// The name of the latch.
    public let name: String
    /// The id under which this participant is in the latch.
    public let participant: String
    /// How long the session outlives its last keep-alive.
    public let ttl: Duration
    /// Every change of state, the current one first. One consumer; ends after
    /// ``HoldState/lost(_:)`` or ``HoldState/left``. A slow consumer misses the oldest states,
    /// never the newest.
    public let states: AsyncStream<HoldState>

    private let core: HoldCore
    private let running: Task<Void, Never>

    init(core: HoldCore, first: Atomix_Leader_Latch, states: AsyncStream<HoldState>) {
        self.core = core
        self.states = states
        namespace = core.session.name.namespace
        name = core.session.name.name
        participant = core.participant
        ttl = core.session.schedule.ttl
        running = Task { await core.run(first: first) }
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

    /// Leaves the latch; the next participant holds it at once. From the first moment on ``grant``
    /// is nil. Of a hold that was lost nothing is left to leave.
    /// - Throws: ``LatchError`` if no node confirmed it in time: then the session ends by its TTL.
    public func leave() async throws {
        guard core.beginLeaving() else { return await running.value }
        running.cancel()
        await running.value
        defer { core.finishLeaving() }
        // After the deadline there is nothing left to close.
        let remaining = core.session.deadline - ContinuousClock().now
        guard remaining > .zero else { return }
        try await core.session.close(within: remaining)
    }
}
