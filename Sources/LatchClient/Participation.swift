import GRPCCore
import LatchAPI
import SwiftProtobuf
import Synchronization

/// One participation in one latch: a session that is kept alive and a place in the queue, from
/// joining to the end. It never joins again by itself.
final class Participation: Sendable {
    let calls: Calls
    let keeper: SessionKeeper
    let name: LatchName
    let participant: String
    let schedule: KeepAliveSchedule
    let wire: Latchd_V1_Session
    let cell: BeliefCell
    /// Is told who holds the latch before each place in the queue; nil: nobody wants to know.
    let namesHolder: (@Sendable (String?) -> Void)?
    /// The Join's number in its session: repeated with it, it is done once.
    let joinID = Mutex<UInt64>(1)
    /// What carries the Join stream now.
    let carrier = Mutex<StreamWatch?>(nil)

    /// What it takes to open a participation.
    struct Request: Sendable {
        let name: LatchName
        let participant: String
        let ttl: Duration
        /// Is told who holds the latch before each place in the queue; nil: nobody wants to know.
        var namesHolder: (@Sendable (String?) -> Void)?

        /// - Throws: ``LatchError`` (`invalidArgument`).
        init(name: LatchName, participant: String?, ttl: Duration) throws {
            let participant = participant ?? randomParticipant()
            guard !participant.isEmpty else {
                throw LatchError(.invalidArgument, "the participant id is empty")
            }
            try LatchName.check(participant, "the participant id")
            guard ttl >= KeepAliveSchedule.shortest, ttl <= KeepAliveSchedule.longest else {
                throw LatchError(
                    .invalidArgument, "the TTL must be between 10 ms and 24 h, not \(ttl)")
            }
            self.name = name
            self.participant = participant
            // The servers count whole milliseconds.
            self.ttl = .milliseconds(milliseconds(ttl))
        }
    }

    private init(
        calls: Calls, keeper: SessionKeeper, request: Request, wire: Latchd_V1_Session,
        lease: Lease, listener: @escaping BeliefCell.Listener
    ) {
        self.calls = calls
        self.keeper = keeper
        name = request.name
        participant = request.participant
        namesHolder = request.namesHolder
        schedule = KeepAliveSchedule(
            ttl: request.ttl, longestAttempt: calls.settings.attemptTimeout)
        self.wire = wire
        cell = BeliefCell(Belief(lease: lease), listener: listener)
    }

    /// Opens a session. One whose answer got lost has no participant and expires.
    static func open(
        _ request: Request, calls: Calls, keeper: SessionKeeper,
        listener: @escaping BeliefCell.Listener
    ) async throws -> Participation {
        let message = Latchd_V1_OpenSessionRequest.with {
            $0.latch = request.name.wire
            $0.ttlMs = UInt64(clamping: milliseconds(request.ttl))
        }
        let (wire, lease) = try await calls.perform(calls.plan) { attempt in
            let sentAt = ContinuousClock.now
            let response = try await attempt.latches.openSession(message, options: attempt.options)
            guard response.session.id != 0,
                case .alive(let validFor) = Lease.Answer(response.life)
            else { throw Refusal(.other(""), "the node answered without a session") }
            return (response.session, Lease(validFor: validFor, sentAt: sentAt))
        }
        return Participation(
            calls: calls, keeper: keeper, request: request, wire: wire, lease: lease,
            listener: listener)
    }

    // MARK: Taking part

    /// Joins, and keeps the session alive, until the participation is over or the task is
    /// cancelled; a cancelled one is still to be left.
    /// - Parameter onJoined: called once the place in the queue is taken.
    /// - Throws: ``LatchError`` or `CancellationError` if it cannot join.
    func run(onJoined: @Sendable () -> Void = {}) async throws {
        let key = keeper.add(self, schedule: schedule, confirmedAt: cell.confirmedAt)
        defer { keeper.remove(key) }
        try await join()
        onJoined()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.cell.watchTime() }
            group.addTask { await self.follow() }
            await group.next()
            group.cancelAll()
        }
        // Who resigned closes the session itself. And who held may still be at work: others must
        // not be let in before that has ended, so the owner closes the session, or its TTL does.
        if let end = cell.end, end != .resigned, cell.mayLiveOn, !cell.hasHeld { await abandon() }
    }

    /// Leaves: from the first moment on nothing is held. Idempotent.
    /// - Throws: ``LatchError`` if no node confirmed it in time.
    func leave(within timeout: Duration) async throws {
        cell.update { $0.resign(.resigned, at: $1) }
        guard cell.mayLiveOn else { return }
        let message = Latchd_V1_CloseSessionRequest.with { $0.session = wire }
        var plan = calls.plan
        plan.timeout = min(timeout, calls.settings.timeout)
        plan.attemptTimeout = min(plan.attemptTimeout, plan.timeout / 2)
        _ = try await calls.perform(plan) {
            try await $0.latches.closeSession(message, options: $0.options)
        }
    }

    /// Tries once more to end the session, so that nobody has to wait for its TTL; also for a
    /// caller that is cancelled.
    func abandon() async {
        await Task { try? await self.leave(within: self.calls.settings.attemptTimeout) }.value
    }

    /// Gives up without a word to the servers: the session ends there by its TTL.
    func drop(_ reason: LossReason) {
        cell.update { $0.resign(reason, at: $1) }
    }

    // MARK: The holder's commands

    /// Says `value` to those who look, under the token that is held.
    func publish(_ value: String, token: UInt64) async throws {
        try LatchName.check(value, "the value")
        // Not numbered: under one token, saying the same twice is saying it once.
        let message = Latchd_V1_PublishRequest.with {
            $0.session = wire
            $0.fencingToken = token
            $0.value = value
        }
        _ = try await calls.perform(calls.plan) {
            try await $0.latches.publish(message, options: $0.options)
        }
    }

    /// Passes the latch on. From the first moment on nothing is held; this participant stays, last
    /// in line. If it fails the session is given up, because the servers may still count it as
    /// the holder, and it has told that it is not.
    /// - Throws: ``LatchError``: `outcomeUnknown` if a refusal may be about what an attempt without
    ///   an answer has done.
    func handOver(to heir: String, token: UInt64) async throws {
        try await checkWaits(heir)
        cell.update { $0.yield(at: $1) }
        let message = Latchd_V1_HandOverRequest.with {
            $0.latch = name.wire
            $0.session = wire
            $0.fencingToken = token
            $0.to = heir
        }
        do {
            _ = try await calls.performUnnumbered(on: name) {
                try await $0.latches.handOver(message, options: $0.options)
            }
        } catch {
            await abandon()
            throw error
        }
    }
}

extension Participation {
    /// Nothing need be given up for an heir that does not wait.
    private func checkWaits(_ heir: String) async throws {
        let request = Latchd_V1_GetLatchRequest.with {
            $0.namespace = name.namespace
            $0.name = name.name
        }
        let response = try await calls.performOn(name) {
            try await $0.cluster.getLatch(request, options: $0.options)
        }
        let waiting = response.latch.state.participants.dropFirst()
        // Ids are equal when their bytes are, which is less than what `==` calls equal.
        guard waiting.contains(where: { $0.utf8.elementsEqual(heir.utf8) }) else {
            throw LatchError(.notFound, "no participant \"\(heir)\" waits for \"\(name.name)\"")
        }
    }
}

extension Participation: KeptSession {
    func answered(
        _ answer: Lease.Answer, _ holding: Belief.Holding?, sentAt: ContinuousClock.Instant
    ) {
        cell.update { $0.take(answer, holding, sentAt: sentAt, at: $1) }
    }

    func suspect(_ endpoint: Endpoint) {
        let carriage = carrier.withLock { $0 }
        if let carriage, carriage.endpoint == endpoint { carriage.cut() }
    }

    func abandoned(_ error: LatchError) {
        drop(.failed(error.description))
    }
}
