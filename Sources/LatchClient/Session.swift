import LatchAPI
import SwiftProtobuf
import Synchronization

/// Why a session is over.
enum SessionEnd: Sendable {
    /// The servers do not know it any more.
    case unknown
    /// No keep-alive was acknowledged in time: the servers may have ended it.
    case deadlinePassed
    /// A node refused for a reason that will not go away.
    case failed(LatchError)
    /// The user has no use for it any more.
    case stopped
    case cancelled
}

/// What a running session tells its user, in order.
enum SessionEvent: Sendable {
    /// Keep-alives run; nothing was heard yet.
    case began
    /// The state of the latch. The task that tells it is cancelled when its node fails, so work
    /// that must be done is taken up again at the event that follows.
    case latch(Atomix_Leader_Latch, index: UInt64)
    /// Changes may have been missed; a current state follows if there were any.
    case resynchronized
    /// The stream of changes goes on through another node.
    case moved
    /// The stream of changes broke; it will be opened again.
    case interrupted(LatchError)
}

/// One session on one latch: created, kept alive, watched, closed.
final class Session: Sendable {
    let calls: Calls
    let name: LatchName
    let schedule: KeepAliveSchedule
    let clock = ContinuousClock()
    let book: Mutex<SessionBook>
    /// What carries the Events stream now.
    let carrier = Mutex<Carriage?>(nil)

    init(calls: Calls, name: LatchName, schedule: KeepAliveSchedule, book: SessionBook) {
        self.calls = calls
        self.name = name
        self.schedule = schedule
        self.book = Mutex(book)
    }

    /// Creates a session. A Create whose answer got lost leaves a session without participants,
    /// which expires. The servers count whole milliseconds, so the rest of `ttl` is dropped.
    static func open(calls: Calls, name: LatchName, ttl: Duration) async throws -> Session {
        guard ttl >= KeepAliveSchedule.shortest, ttl <= KeepAliveSchedule.longest else {
            throw LatchError(
                .invalidArgument, "the TTL must be between 10 ms and 24 h, not \(ttl)")
        }
        let ttl = Duration.milliseconds(milliseconds(ttl))
        let schedule = KeepAliveSchedule(ttl: ttl, longestAttempt: calls.settings.attemptTimeout)
        let request = Atomix_Leader_CreateRequest.with {
            $0.header.name = .with {
                $0.namespace = name.namespace
                $0.name = name.name
            }
            $0.timeout = Google_Protobuf_Duration(rounding: ttl)
        }
        let book = try await calls.perform(calls.plan) { attempt in
            let sentAt = ContinuousClock().now
            let header = try await attempt.create(request).header
            guard header.sessionID > 0 else {
                throw Refusal(.other(""), "the node answered without a session id")
            }
            return SessionBook(
                sessionID: header.sessionID, index: header.index, ttl: ttl, sentAt: sentAt)
        }
        return Session(calls: calls, name: name, schedule: schedule, book: book)
    }

    var deadline: ContinuousClock.Instant { book.withLock { $0.deadline } }

    /// Adds `participant` to the latch and returns its state right after. Retries keep the request
    /// id, so it is done once; only when the state machine refused it (a limit), which settles that
    /// id, does the next try take another.
    func join(_ participant: String) async throws -> Atomix_Leader_Latch {
        let current = Mutex(book.withLock { $0.takeRequestID() })
        let response = try await calls.perform(calls.plan) { attempt in
            let requestID = current.withLock { $0 }
            let request = Atomix_Leader_LatchRequest.with {
                $0.header = self.commandHeader(requestID)
                $0.participantID = participant
            }
            do {
                return try await attempt.join(request)
            } catch let refusal as Refusal where refusal.reason.spendsRequestID {
                let next = self.book.withLock { $0.replaceRefused(requestID: requestID) }
                current.withLock { $0 = next }
                throw refusal
            }
        }
        let requestID = current.withLock { $0 }
        book.withLock { $0.answered(requestID: requestID, index: response.header.index) }
        return response.latch
    }

    /// The state of the latch, linearizable.
    func read() async throws -> Latchd_V1_GetLatchResponse {
        let name = name
        return try await calls.perform(calls.plan) { try await $0.latch(name) }
    }

    /// Keeps the session alive and reports the latch's changes until it ends or the
    /// task is cancelled.
    /// - Parameters:
    ///   - onEnd: told the end at once; the result comes when everything that ran has stopped.
    ///   - onEvent: told every event, in order.
    func run(
        onEnd: (SessionEnd) -> Void = { _ in }, onEvent: @escaping Report
    ) async -> SessionEnd {
        await withTaskGroup(of: SessionEnd.self) { group in
            group.addTask { await self.keepAlive() }
            group.addTask { await self.watchDeadline() }
            group.addTask {
                guard await onEvent(.began) else { return .stopped }
                return await self.followEvents(onEvent)
            }
            let end = await group.next() ?? .cancelled
            onEnd(end)
            group.cancelAll()
            return end
        }
    }

    /// Ends the session. Its participants leave at once. Idempotent.
    func close(within timeout: Duration) async throws {
        let request = Atomix_Leader_CloseRequest.with { $0.header = keepAliveHeader() }
        var plan = calls.plan
        plan.timeout = min(timeout, calls.settings.timeout)
        plan.attemptTimeout = min(plan.attemptTimeout, plan.timeout / 2)
        _ = try await calls.perform(plan) { try await $0.close(request) }
    }

    /// Tries once more to end the session, so that nobody has to wait for its TTL; also for a
    /// caller that is cancelled.
    func abandon() async {
        await Task { try? await self.close(within: self.calls.settings.attemptTimeout) }.value
    }

    // MARK: Headers

    private var baseHeader: Atomix_Headers_RequestHeader {
        .with {
            $0.name = .with {
                $0.namespace = name.namespace
                $0.name = name.name
            }
        }
    }

    func commandHeader(_ requestID: UInt64) -> Atomix_Headers_RequestHeader {
        var header = baseHeader
        book.withLock { book in
            header.sessionID = book.sessionID
            header.requestID = requestID
            header.index = book.highestIndex
        }
        return header
    }

    private func keepAliveHeader() -> Atomix_Headers_RequestHeader {
        var header = baseHeader
        book.withLock { book in
            header.sessionID = book.sessionID
            header.requestID = book.answeredRequestID
            header.index = book.highestIndex
            header.streams = book.acknowledgements.map { acknowledgement in
                .with {
                    $0.streamID = acknowledgement.stream
                    $0.responseID = acknowledgement.responseID
                }
            }
        }
        return header
    }

    // MARK: Keep-alives

    private func keepAlive() async -> SessionEnd {
        while true {
            // After a suspension of the machine this may run before the task that waits for it.
            if clock.now >= deadline { return .deadlinePassed }
            let next = book.withLock { $0.renewedAt } + schedule.period
            do {
                try await Task.sleep(until: next, clock: clock)
                try await renew()
            } catch let error as LatchError where error.code == .sessionLost {
                return .unknown
            } catch let error as LatchError where error.code == .shutDown {
                return .failed(error)
            } catch is CancellationError {
                return .cancelled
            } catch {
                // Not acknowledged: the next turn tries at once, until the deadline
                // ends the session.
                do { try await Task.sleep(for: schedule.backoff.maximum, clock: clock) } catch {
                    return .cancelled
                }
            }
        }
    }

    /// Sends one keep-alive, to one node after the other until one acknowledges it.
    private func renew() async throws {
        var plan = calls.plan
        plan.timeout = schedule.ttl
        plan.attemptTimeout = schedule.attemptTimeout
        plan.backoff = schedule.backoff
        // The node that carries the stream is asked first: if it does not answer, the stream
        // is cut too.
        plan.wanted = carrier.withLock { $0?.endpoint }
        plan.onFailure = { [weak self] endpoint in self?.suspect(endpoint) }
        try await calls.perform(plan) { attempt in
            let request = Atomix_Leader_KeepAliveRequest.with { $0.header = self.keepAliveHeader() }
            let sentAt = self.clock.now
            _ = try await attempt.keepAlive(request)
            self.book.withLock { $0.renewed(sentAt: sentAt, now: self.clock.now) }
        }
    }

    /// `endpoint` does not answer keep-alives, so a stream that it carries may be dead
    /// without a sign.
    private func suspect(_ endpoint: Endpoint) {
        let carriage = carrier.withLock { $0 }
        if let carriage, carriage.endpoint == endpoint { carriage.cut() }
    }

    private func watchDeadline() async -> SessionEnd {
        while true {
            let deadline = self.deadline
            if clock.now >= deadline { return .deadlinePassed }
            do { try await Task.sleep(until: deadline, clock: clock) } catch { return .cancelled }
        }
    }
}

extension Google_Protobuf_Duration {
    /// A positive duration, to the nanosecond.
    init(rounding duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(clamping: attoseconds / 1_000_000_000))
    }
}
