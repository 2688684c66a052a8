import LatchAPI
import Synchronization

/// The part of a hold that its tasks share, so that they do not keep the ``LatchHold`` itself
/// alive.
final class HoldCore: Sendable {
    let session: Session
    let participant: String
    private let output: AsyncStream<HoldState>.Continuation
    private let current: Mutex<HoldState>

    /// A participation that has just begun with `first`. Even if that says that we hold, we wait
    /// until the token is known.
    init(
        session: Session, participant: String, first: Atomix_Leader_Latch,
        output: AsyncStream<HoldState>.Continuation
    ) {
        self.session = session
        self.participant = participant
        self.output = output
        let position =
            switch QueuePlace(of: participant, in: first.participants) {
            case .waiting(let position): position
            case .holding, .absent: 1
            }
        let state = HoldState.waiting(position: position, holder: first.leader)
        current = Mutex(state)
        if position > 1 { output.yield(state) }
    }

    /// The state at this moment: a grant with the deadline of now, or a loss as soon as the
    /// deadline has passed.
    var state: HoldState {
        let state = current.withLock { $0 }
        let deadline = session.deadline
        switch state {
        case .holding, .waiting:
            if session.clock.now >= deadline { return .lost(.deadlinePassed) }
            guard case .holding(let grant) = state else { return state }
            return .holding(
                LatchGrant(fencingToken: grant.fencingToken, term: grant.term, deadline: deadline))
        case .lost, .left:
            return state
        }
    }

    /// Runs until the session ends or the task is cancelled.
    func run(first: Atomix_Leader_Latch) async {
        let index = session.book.withLock { $0.highestIndex }
        let end = await session.run(first: (first, index)) { event in
            switch event {
            case .latch(let latch, _): await self.follow(latch)
            // The stream that follows brings the current state if it changed meanwhile.
            case .resynchronized, .interrupted: break
            }
        }
        switch end {
        case .unknown: finish(.lost(.sessionEnded))
        case .deadlinePassed:
            finish(.lost(.deadlinePassed))
            // The servers may still count it; then the next participant need not wait for its end.
            try? await session.close(within: session.calls.settings.attemptTimeout)
        case .failed(let error): finish(.lost(.failed(error.description)))
        case .cancelled: break
        }
    }

    private func follow(_ latch: Atomix_Leader_Latch) async {
        switch QueuePlace(of: participant, in: latch.participants) {
        case .absent:
            finish(.lost(.removed))
        case .waiting(let position):
            move(to: .waiting(position: position, holder: latch.leader))
        case .holding:
            if case .holding(let grant) = current.withLock({ $0 }), grant.term == latch.id {
                return
            }
            await grant(ofTerm: latch.id)
        }
    }

    /// Reads the fencing token of the grant. The Atomix answer has none. Until it is known we do
    /// not hold.
    private func grant(ofTerm term: UInt64) async {
        while !Task.isCancelled {
            do {
                let name = session.name
                let calls = session.calls
                let response = try await calls.perform(calls.plan) { try await $0.latch(name) }
                let state = response.latch.state
                // The latch moved on: the next event tells where.
                guard state.holder == participant, state.term == term else { return }
                move(
                    to: .holding(
                        LatchGrant(
                            fencingToken: state.fencingToken, term: term,
                            deadline: session.deadline)))
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

    private func move(to state: HoldState) {
        current.withLock { current in
            switch current {
            case .lost, .left: return
            case .waiting, .holding:
                guard current != state else { return }
                current = state
                output.yield(state)
            }
        }
    }

    private func finish(_ state: HoldState) {
        move(to: state)
        output.finish()
    }

    /// From here on nothing is held. False if there is nothing to leave.
    func beginLeaving() -> Bool {
        current.withLock { current in
            switch current {
            case .lost, .left: return false
            case .waiting, .holding:
                current = .left
                return true
            }
        }
    }

    func finishLeaving() {
        output.yield(.left)
        output.finish()
    }
}
