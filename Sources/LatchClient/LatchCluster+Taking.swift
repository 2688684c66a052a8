extension LatchCluster {
    // MARK: Taking part

    /// Waits for a latch, runs `body` while it is held, and leaves it whatever happens.
    ///
    /// ```swift
    /// try await cluster.withLatch("nightly-report") { grant in
    ///     for page in pages {
    ///         try grant.check()
    ///         try await write(page, fencedBy: grant.fencingToken)
    ///     }
    /// }
    /// ```
    ///
    /// To `body`, cancellation means "stop now": its task is cancelled when the grant is lost or
    /// its deadline passes, and when the caller is cancelled. The latch is left once `body` has
    /// returned, and if it was lost before it was granted, it is joined again.
    /// - Parameters:
    ///   - name: the latch, which comes to be if it is new.
    ///   - namespace: of the latch.
    ///   - participant: a name for people; nil: a random id.
    ///   - ttl: how long the session outlives its last keep-alive, 10 ms … 24 h, in whole
    ///     milliseconds. Somebody else may hold the latch that long after this process died.
    ///   - wait: how long to wait for the latch; nil: for ever.
    ///   - body: what is done under the latch.
    /// - Returns: what `body` returned, also if it did so after the grant was lost.
    /// - Throws: what `body` throws; ``LatchError``: `grantLost` if `body` was cancelled because
    ///   the grant was lost, `waitedTooLong`, or why the cluster could not be asked;
    ///   `CancellationError`.
    public func withLatch<Result: Sendable>(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        participant: String? = nil, ttl: Duration = .seconds(10), wait: Duration? = nil,
        _ body: @escaping @Sendable (Grant) async throws -> Result
    ) async throws -> Result {
        let request = try Participation.Request(
            name: LatchName(checking: name, namespace: namespace), participant: participant,
            ttl: ttl)
        let deadline = wait.map { ContinuousClock.now + $0 }
        var schedule = RejoinSchedule(policy: .default)
        while true {
            let stay = try await Stay.open(request, calls: calls, keeper: keeper)
            let result: Swift.Result<Result, any Error>?
            do {
                result = try await stay.hold(waitingUntil: deadline, body)
            } catch {
                result = .failure(error)
            }
            await stay.leave()
            if let result { return try result.get() }
            // Lost before it was granted: once more, from the end of the line.
            let pause = schedule.pause(after: .sessionEnded, random: .random(in: 0..<1))
            try await Task.sleep(for: pause ?? .zero, clock: .continuous)
        }
    }

    /// Joins a latch and stays in it until ``LatchHold/leave()``. Returns once the place in the
    /// queue is taken, which need not be the first.
    /// - Parameters:
    ///   - name: the latch, which comes to be if it is new.
    ///   - namespace: of the latch.
    ///   - participant: a name for people; nil: a random id.
    ///   - ttl: how long the session outlives its last keep-alive, 10 ms … 24 h, in whole
    ///     milliseconds (the rest is dropped). Somebody else may hold the latch that long after
    ///     this process died.
    /// - Throws: ``LatchError``.
    public func hold(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        participant: String? = nil, ttl: Duration = .seconds(10)
    ) async throws -> LatchHold {
        let request = try Participation.Request(
            name: LatchName(checking: name, namespace: namespace), participant: participant,
            ttl: ttl)
        return try await LatchHold.join(request, calls: calls, keeper: keeper)
    }

    /// Joins a latch for the time of `body`, and leaves it whatever happens. `body` ends by itself
    /// when it wants to: watch ``LatchHold/states`` or ``LatchHold/grant``.
    public func withHold<Result: Sendable>(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        participant: String? = nil, ttl: Duration = .seconds(10),
        _ body: (LatchHold) async throws -> Result
    ) async throws -> Result {
        let hold = try await hold(name, namespace: namespace, participant: participant, ttl: ttl)
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body(hold)) } catch { result = .failure(error) }
        // Not left in time: the session ends by its TTL, which is all that can be done.
        try? await hold.leave()
        return try result.get()
    }
}

/// Sixteen random hexadecimal digits.
func randomParticipant() -> String {
    let digits = String(UInt64.random(in: .min ... .max), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
