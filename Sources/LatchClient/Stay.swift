import Synchronization

/// A participation together with the tasks that keep it going, and its changes as a sequence: what
/// ``Latch`` and ``LatchCluster/withLatch(_:namespace:participant:ttl:wait:_:)`` are made of.
struct Stay: Sendable {
    /// What happens to a stay.
    enum Event: Sendable {
        case change(Belief.Change)
        case began(Grant)
        /// The user's own: to be woken between changes.
        case nudge
    }

    let participation: Participation
    /// Ends when the participation does; throws if it could not join. One consumer.
    let events: AsyncThrowingStream<Event, any Error>
    private let feed: AsyncThrowingStream<Event, any Error>.Continuation
    private let running: Task<Void, Never>

    /// Opens a session and begins to take part.
    /// - Parameter listener: is told every change first, under the belief's lock.
    static func open(
        _ request: Participation.Request, calls: Calls, keeper: SessionKeeper,
        listener: @escaping @Sendable (Event) -> Void = { _ in }
    ) async throws -> Stay {
        // A change is small and there are few: as many as the queue moves.
        let (events, feed) = AsyncThrowingStream<Event, any Error>.makeStream()
        let participation = try await Participation.open(request, calls: calls, keeper: keeper) {
            change, cell in
            var event = Event.change(change)
            if case .began(let token, let term) = change {
                event = .began(Grant(fencingToken: token, term: term, cell: cell))
            }
            listener(event)
            feed.yield(event)
        }
        let running = Task {
            do {
                try await participation.run()
                feed.finish()
            } catch {
                feed.finish(throwing: error)
            }
        }
        return Stay(
            participation: participation, events: events, feed: feed, running: running)
    }

    /// Adds an event of the user's own.
    func nudge() {
        feed.yield(.nudge)
    }

    /// Ends the session, for a caller that is cancelled too. What is not confirmed in time ends by
    /// its TTL, which is all that can be done.
    func leave() async {
        let remaining = participation.cell.deadline - .now
        participation.drop(.resigned)
        running.cancel()
        let timeout = max(remaining, participation.schedule.attemptTimeout)
        await Task { [participation] in
            try? await participation.leave(within: timeout)
        }.value
    }

    /// Sends no more beats: the session ends by its TTL.
    func stopRenewing() {
        running.cancel()
    }

    // MARK: One grant

    private enum Outcome<Value: Sendable>: Sendable {
        case body(Result<Value, any Error>)
        case lost(LossReason)
    }

    /// Waits for the latch and runs `body` under it, cancelling it when the grant is lost.
    /// - Returns: nil if the participation ended before it was granted.
    func hold<Value: Sendable>(
        waitingUntil deadline: ContinuousClock.Instant?,
        _ body: @escaping @Sendable (Grant) async throws -> Value
    ) async throws -> Result<Value, any Error>? {
        guard let grant = try await grant(until: deadline) else { return nil }
        return await withTaskGroup(of: Outcome<Value>.self) { group in
            group.addTask {
                do { return .body(.success(try await body(grant))) } catch {
                    return .body(.failure(error))
                }
            }
            group.addTask { .lost(await self.end()) }
            var reason: LossReason?
            while let outcome = await group.next() {
                group.cancelAll()
                switch outcome {
                case .lost(let why): reason = Task.isCancelled ? nil : why
                case .body(let result):
                    return reason.map { Self.judge(result, lost: $0, grant) } ?? result
                }
            }
            return nil
        }
    }

    /// Who was told to stop and did is told why; what was done or went wrong otherwise stays so.
    private static func judge<Value: Sendable>(
        _ result: Result<Value, any Error>, lost reason: LossReason, _ grant: Grant
    ) -> Result<Value, any Error> {
        guard case .failure(let error) = result, error is CancellationError else { return result }
        return .failure(
            LatchError(.grantLost, "the grant with token \(grant.fencingToken) is over: \(reason)"))
    }

    private func grant(until deadline: ContinuousClock.Instant?) async throws -> Grant? {
        let isTooLate = LockedFlag()
        let timer = deadline.map { deadline in
            Task {
                try await Task.sleep(until: deadline, clock: .continuous)
                isTooLate.set()
                participation.cell.update { $0.held == nil ? $0.resign(.resigned, at: $1) : [] }
            }
        }
        defer { timer?.cancel() }
        for try await event in events {
            if case .began(let grant) = event { return grant }
        }
        try Task.checkCancellation()
        if isTooLate.isSet {
            throw LatchError(
                .waitedTooLong,
                "the latch \"\(participation.name.name)\" was not granted in the time given")
        }
        return nil
    }

    /// Waits for the end of the token that is held.
    private func end() async -> LossReason {
        do {
            for try await event in events {
                switch event {
                case .change(.ended(let reason)), .change(.over(let reason)): return reason
                case .change(.queued), .change(.began), .change(.jeopardy), .change(.confirmed),
                    .began, .nudge:
                    continue
                }
            }
        } catch {
            return .failed("\(error)")
        }
        return .resigned
    }
}

/// A flag that is set once.
final class LockedFlag: Sendable {
    private let value = Mutex(false)

    var isSet: Bool { value.withLock { $0 } }

    func set() {
        value.withLock { $0 = true }
    }
}
