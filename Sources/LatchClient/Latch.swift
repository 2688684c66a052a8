public import ServiceLifecycle
import Synchronization

/// A long-lived participant of one latch, as a service of swift-service-lifecycle: it joins, leads
/// while it holds the latch, and joins again by itself after every loss.
///
/// ```swift
/// let latch = try Latch("payments/primary", on: cluster) { grant in
///     try await settlePayments(fencedBy: grant.fencingToken)
/// }
/// let group = ServiceGroup(services: [cluster, latch], logger: logger)
/// try await group.run()
/// ```
///
/// What is done under the latch is cancelled as soon as the grant is lost or its deadline passes:
/// that needs no network. The next grant's work does not begin before the last one's has ended.
///
/// On graceful shutdown the work is cancelled, waited for, and then the latch is left, so that the
/// next participant holds it at once. See <doc:Adopting-LatchClient-in-your-service>.
public final class Latch: Service {
    /// How a ``Latch`` behaves.
    public struct Configuration: Sendable {
        /// The namespace of the latch.
        public var namespace: String = LatchCluster.defaultNamespace
        /// A name for people; nil: a random id.
        public var participant: String?
        /// How long the session outlives its last keep-alive: 10 ms … 24 h.
        public var ttl: Duration = .seconds(10)
        /// What is done after a loss.
        public var rejoin: RejoinPolicy = .default
        /// How long the work may take to end on shutdown. Past it no keep-alive is sent any more,
        /// so that the latch goes to the next one after the TTL, even if the work never ends.
        public var shutdownPatience: Duration = .seconds(10)

        /// The defaults.
        public init() {}
    }

    /// The name of the latch.
    public let name: String
    /// How it behaves.
    public let configuration: Configuration

    private let request: Participation.Request
    private let cluster: LatchCluster
    private let work: (@Sendable (Grant) async throws -> Void)?
    private let board = LatchBoard()
    private let present = Mutex<Participation?>(nil)

    /// A participant of the latch `name`. It takes part while ``run()`` runs.
    /// - Parameters:
    ///   - name: the latch, which comes to be if it is new.
    ///   - cluster: where it is.
    ///   - configuration: how to behave.
    ///   - work: run once for each grant, and cancelled when the grant is over. When it returns the
    ///     latch is held on; when it throws, the latch is left and ``run()`` throws the error. Nil:
    ///     only ``states`` tell.
    /// - Throws: ``LatchError`` (`invalidArgument`).
    public init(
        _ name: String, on cluster: LatchCluster, configuration: Configuration = Configuration(),
        whileHolding work: (@Sendable (Grant) async throws -> Void)? = nil
    ) throws {
        request = try Participation.Request(
            name: LatchName(checking: name, namespace: configuration.namespace),
            participant: configuration.participant, ttl: configuration.ttl)
        self.name = name
        self.configuration = configuration
        self.cluster = cluster
        self.work = work
    }

    /// The id under which it takes part.
    public var participant: String { request.participant }

    /// Where it stands now.
    public var state: LatchState {
        // What time alone has decided is told first.
        present.withLock { $0 }?.cell.advance()
        return board.current
    }

    /// The states: the present one first. Each sequence is one of its own, and ends with ``run()``.
    public var states: LatchStates { board.states() }

    /// The right to act, if there is one at this moment.
    public var grant: Grant? { state.grant.flatMap { $0.isValid ? $0 : nil } }

    /// Tells those who look at the latch a small text: an address, say. It is gone when the latch
    /// changes hands.
    /// - Throws: ``LatchError``: `grantLost` if the latch is not held here, `tokenMoved` if the
    ///   servers know better, `invalidArgument` for more than 1024 bytes.
    public func publish(_ value: String) async throws {
        let (participation, grant) = try holding()
        try await participation.publish(value, token: grant.fencingToken)
    }

    /// Passes the latch to a participant that waits. From the first moment on ``grant`` is nil, and
    /// what is done under it is cancelled, but not waited for: end it before, where that matters.
    /// This one becomes the last in line.
    /// - Throws: ``LatchError``: `grantLost` if the latch is not held here; `notFound` if nobody of
    ///   that name waits, and then it is held on. When the servers refuse or do not answer after
    ///   that, it joins again.
    public func handOver(to participant: String) async throws {
        let (participation, grant) = try holding()
        try await participation.handOver(to: participant, token: grant.fencingToken)
    }

    private func holding() throws -> (Participation, Grant) {
        guard let grant, let participation = present.withLock({ $0 }) else {
            throw LatchError(.grantLost, "this participant does not hold \"\(name)\"")
        }
        return (participation, grant)
    }

    // MARK: Running

    /// Takes part until graceful shutdown, cancellation, or an error of the work.
    /// - Throws: what the work throws; ``LatchError`` if the cluster says that it will never work.
    public func run() async throws {
        let stop = StopSignal()
        defer { board.finish() }
        try await withTaskCancellationOrGracefulShutdownHandler {
            try await takePart(until: stop)
        } onCancelOrGracefulShutdown: {
            stop.send()
        }
    }

    private func takePart(until stop: StopSignal) async throws {
        var schedule = RejoinSchedule(policy: configuration.rejoin)
        while !stop.isSent {
            let began = ContinuousClock.now
            let reason: LossReason
            do {
                reason = try await takePartOnce(until: stop)
                schedule.noteStay(.now - began)
            } catch let failure as WorkFailure {
                throw failure.error
            } catch let error as LatchError where error.mayPass {
                reason = .failed(error.description)
            }
            guard !stop.isSent,
                let pause = schedule.pause(after: reason, random: .random(in: 0..<1))
            else { return }
            board.show(.idle)
            try? await stop.cancelling { try await Task.sleep(for: pause, clock: .continuous) }
        }
    }

    /// Joins, and stays until the place is lost or `stop` comes. Leaves in any case.
    private func takePartOnce(until stop: StopSignal) async throws -> LossReason {
        let (request, board, cluster) = (request, board, cluster)
        let stay: Stay
        do {
            stay = try await stop.cancelling {
                try await Stay.open(request, calls: cluster.calls, keeper: cluster.keeper) {
                    board.show($0)
                }
            }
        } catch  where stop.isSent {
            return .resigned
        }
        present.withLock { $0 = stay.participation }
        let work = LatchWork(work) { stay.nudge() }
        let handler = stop.onSend { stay.nudge() }
        let result: Result<LossReason, any Error>
        do { result = .success(try await follow(stay, work, stop)) } catch {
            result = .failure(error)
        }
        stop.forget(handler)
        await finish(stay, work)
        present.withLock { $0 = nil }
        if let failure = work.failure { throw WorkFailure(error: failure) }
        return try result.get()
    }

    private func follow(_ stay: Stay, _ work: LatchWork, _ stop: StopSignal) async throws
        -> LossReason
    {
        // Its own task: the cancellation of this one comes as `stop`, and must not end the reading.
        try await Task {
            for try await event in stay.events {
                if stop.isSent || work.failure != nil { return .resigned }
                switch event {
                case .began(let grant): work.start(grant)
                case .change(.ended): work.cancel()
                case .change(.over(let reason)):
                    work.cancel()
                    return reason
                case .change(.queued), .change(.began), .change(.jeopardy), .change(.confirmed),
                    .nudge:
                    break
                }
            }
            return LossReason.removed
        }.value
    }

    /// Ends the work, then leaves. Nothing is left before the work has ended.
    private func finish(_ stay: Stay, _ work: LatchWork) async {
        work.cancel()
        let patience = Task { [patience = configuration.shutdownPatience] in
            try await Task.sleep(for: patience, clock: .continuous)
            stay.stopRenewing()
        }
        await work.end()
        patience.cancel()
        await stay.leave()
    }
}

extension LatchCluster: Service {
    /// Waits for graceful shutdown or cancellation, and then closes every connection. Put it before
    /// the services that use it: a group shuts down in reverse order.
    public func run() async throws {
        try? await gracefulShutdown()
        await shutdown()
    }
}

/// An error of the work, which joining again does not mend, whatever kind it is.
private struct WorkFailure: Error {
    let error: any Error
}
