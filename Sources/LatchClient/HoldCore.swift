import LatchAPI
import Synchronization

/// The part of a hold that its tasks share, so that they do not keep the
/// ``LatchHold`` itself alive.
final class HoldCore: Sendable {
    /// Reads the latch, linearizable.
    typealias Read = @Sendable () async throws -> Latchd_V1_GetLatchResponse

    let session: Session
    let participant: String
    private let read: Read
    private let output: AsyncStream<HoldState>.Continuation
    private let current: Mutex<HoldState>
    /// The newest latch that was told. A grant that it shows is complete only with its token.
    private let newest: Mutex<Atomix_Leader_Latch>

    /// A participation that has just begun with `first`. Even if that says that we hold, we wait
    /// until the token is known.
    init(
        session: Session, participant: String, first: Atomix_Leader_Latch,
        output: AsyncStream<HoldState>.Continuation, read: @escaping Read
    ) {
        self.session = session
        self.participant = participant
        self.read = read
        self.output = output
        let position =
            switch QueuePlace(of: participant, in: first.participants) {
            case .waiting(let position): position
            case .holding, .absent: 1
            }
        let state = HoldState.waiting(position: position, holder: first.leader)
        current = Mutex(state)
        newest = Mutex(first)
        if position > 1 { output.yield(state) }
    }

    /// The state at this moment: a grant with the deadline of now, or a loss as soon as the
    /// deadline has passed.
    var state: HoldState {
        let state = current.withLock { $0 }
        // The clock is read first: then a keep-alive that is acknowledged in between cannot take
        // back a loss that is told here.
        let now = session.clock.now
        let deadline = session.deadline
        switch state {
        case .holding, .waiting:
            if now >= deadline { return .lost(.deadlinePassed) }
            guard case .holding(let grant) = state else { return state }
            return .holding(
                LatchGrant(fencingToken: grant.fencingToken, term: grant.term, deadline: deadline))
        case .lost, .left:
            return state
        }
    }

    /// Runs until the session ends or the task is cancelled.
    func run() async {
        let end = await session.run(onEnd: { tell($0) }) { await self.take($0) }
        switch end {
        case .unknown, .cancelled: break
        case .deadlinePassed, .failed, .stopped:
            // The servers may still count it; then the next participant need not wait for its end.
            await session.abandon()
        }
    }

    private func tell(_ end: SessionEnd) {
        switch end {
        case .unknown: finish(.lost(.sessionEnded))
        case .deadlinePassed: finish(.lost(.deadlinePassed))
        case .failed(let error): finish(.lost(.failed(error.description)))
        // Whoever stopped it told why.
        case .stopped, .cancelled: break
        }
    }

    /// Uses one event; false: there is nothing to wait for any more.
    func take(_ event: SessionEvent) async -> Bool {
        switch event {
        case .latch(let latch, _):
            newest.withLock { $0 = latch }
        case .began, .resynchronized, .moved, .interrupted:
            // If the stream broke while the token was read, that was cancelled with it. The frame
            // counts as received and does not come again.
            break
        }
        return await follow(newest.withLock { $0 })
    }

    private func follow(_ latch: Atomix_Leader_Latch) async -> Bool {
        switch QueuePlace(of: participant, in: latch.participants) {
        case .absent:
            finish(.lost(.removed))
            return false
        case .waiting(let position):
            move(to: .waiting(position: position, holder: latch.leader))
        case .holding:
            if case .holding(let grant) = current.withLock({ $0 }), grant.term == latch.id {
                return true
            }
            await grant(ofTerm: latch.id)
        }
        return true
    }

    /// Reads the fencing token of the grant. The Atomix answer has none. Until it is known we do
    /// not hold.
    private func grant(ofTerm term: UInt64) async {
        while !Task.isCancelled {
            do {
                let state = try await read().latch.state
                // The latch moved on: the next event tells where.
                guard state.hasHolder, state.holder.hasSameBytes(as: participant),
                    state.term == term
                else { return }
                let now = session.clock.now
                let deadline = session.deadline
                // The loss is about to be told.
                guard now < deadline else { return }
                let grant = LatchGrant(
                    fencingToken: state.fencingToken, term: term, deadline: deadline)
                move(to: .holding(grant))
                return
            } catch let error as LatchError where error.code == .notFound {
                // Deleted: the session ends too, and the keep-alive says so.
                return
            } catch {
                try? await Task.sleep(
                    for: session.calls.settings.maximumBackoff, clock: session.clock)
            }
        }
    }

    /// False if the participation was over already.
    @discardableResult
    private func move(to state: HoldState) -> Bool {
        current.withLock { current in
            switch current {
            case .lost, .left: return false
            case .waiting, .holding:
                guard current != state else { return true }
                current = state
                output.yield(state)
                return true
            }
        }
    }

    private func finish(_ state: HoldState) {
        if move(to: state) { output.finish() }
    }

    /// From here on nothing is held. False if it was lost, so that there is nothing to leave.
    func beginLeaving() -> Bool {
        current.withLock { current in
            switch current {
            case .lost: return false
            case .waiting, .holding, .left:
                current = .left
                return true
            }
        }
    }

    /// Closes the session, after ``beginLeaving()`` and the end of ``run()``.
    func close() async throws {
        defer {
            output.yield(.left)
            output.finish()
        }
        let remaining = session.deadline - session.clock.now
        // After the deadline nobody need be sure that it is closed.
        guard remaining > .zero else { return await session.abandon() }
        try await session.close(within: remaining)
    }
}
