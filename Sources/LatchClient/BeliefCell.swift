import Synchronization

/// A ``Belief`` that several tasks share. Each look and each change reads the clock under the lock:
/// what one task was told to be over is never valid for another one afterwards.
final class BeliefCell: Sendable {
    /// Is told each change once, in order, under the lock: it must not come back to the cell.
    typealias Listener = @Sendable (Belief.Change, BeliefCell) -> Void

    private let belief: Mutex<Belief>
    private let listener: Listener
    /// Rings when the next moment may have changed.
    let alarm = Alarm()

    init(_ belief: Belief, listener: @escaping Listener) {
        self.belief = Mutex(belief)
        self.listener = listener
    }

    /// Changes the belief, and tells what that changed.
    func update(_ body: (inout Belief, ContinuousClock.Instant) -> [Belief.Change]) {
        let isChanged = belief.withLock { belief in
            let changes = body(&belief, .now)
            for change in changes { listener(change, self) }
            return !changes.isEmpty
        }
        if isChanged { alarm.ring() }
    }

    /// Tells what time alone has decided.
    func advance() {
        update { $0.advance(to: $1) }
    }

    var deadline: ContinuousClock.Instant { belief.withLock { $0.lease.deadline } }
    var confirmedAt: ContinuousClock.Instant { belief.withLock { $0.lease.confirmedAt } }
    var end: LossReason? { belief.withLock { $0.end } }
    var isOver: Bool { end != nil }
    /// The session may live on the servers although the participation is over here.
    var mayLiveOn: Bool { belief.withLock { !$0.lease.isOver } }
    var hasHeld: Bool { belief.withLock { $0.hasHeld } }
    var held: UInt64? { belief.withLock { $0.lease.isCertain(at: .now) ? $0.held : nil } }
    var isInJeopardy: Bool {
        belief.withLock { $0.held != nil && $0.lease.isInDoubt(at: .now) }
    }

    func holds(_ token: UInt64) -> Bool {
        belief.withLock { $0.holds(token, at: .now) }
    }

    func deadline(of token: UInt64) -> ContinuousClock.Instant {
        belief.withLock { $0.deadline(of: token) }
    }

    /// Tells the moments that come by themselves, with no network, until the participation is over
    /// or the task is cancelled.
    func watchTime() async {
        while !Task.isCancelled {
            advance()
            let (isOver, next) = belief.withLock { ($0.end != nil, $0.nextMoment) }
            if isOver { return }
            await alarm.wait(until: next ?? .now + .seconds(3_600))
        }
    }
}
