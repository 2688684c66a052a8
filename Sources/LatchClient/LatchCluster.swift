import LatchAPI
import SwiftProtobuf
import Synchronization

/// A `latchd` cluster, seen from an application. Any node answers any call; a node that does not
/// answer is passed over.
///
/// ```swift
/// let cluster = try LatchCluster(endpoints: ["10.0.0.1:7401", "10.0.0.2:7401", "10.0.0.3:7401"])
/// try await cluster.withHold("nightly-report", ttl: .seconds(10)) { hold in
///     for await state in hold.states {
///         guard case .holding(let grant) = state else { continue }
///         try await report(fencedBy: grant.fencingToken, while: { hold.grant != nil })
///         break
///     }
/// }
/// await cluster.shutdown()
/// ```
public final class LatchCluster: Sendable {
    /// The namespace that is used when none is named.
    public static let defaultNamespace = "default"

    private let calls: Calls
    private let watches = Mutex<[Int: Task<Void, Never>]>([:])

    /// A cluster reached through `endpoints`, each `host:port` or `[ipv6]:port`. Connects when
    /// first used.
    /// - Throws: ``LatchError`` (`invalidArgument`) if there is no endpoint or one is malformed.
    public init(endpoints: [String], settings: LatchSettings = LatchSettings()) throws {
        let parsed = try endpoints.map { text in
            guard let endpoint = Endpoint(text) else {
                throw LatchError(
                    .invalidArgument, "\"\(text)\" is no address: write host:port or [ipv6]:port")
            }
            return endpoint
        }
        guard !parsed.isEmpty else { throw LatchError(.invalidArgument, "no endpoint is given") }
        calls = Calls(endpoints: parsed, settings: settings)
    }

    /// The endpoints, without duplicates.
    public var endpoints: [Endpoint] { calls.endpoints }

    /// Ends every watch and closes every connection. Leave holds first: those that are left open
    /// end by their TTL.
    public func shutdown() async {
        let running = watches.withLock { watches in Array(watches.values) }
        for watch in running { watch.cancel() }
        for watch in running { await watch.value }
        await calls.channels.shutdown()
    }

    // MARK: Status

    /// Asks every node, those not in the list of endpoints too, and puts the answers together.
    /// Nodes that do not answer are part of the result.
    /// - Throws: only `CancellationError`.
    public func status() async throws -> ClusterStatus {
        try await ClusterStatus.query(calls)
    }

    /// What any one node says.
    public func nodeStatus() async throws -> NodeStatus {
        try await calls.perform(calls.plan) { attempt in
            let cluster = Latchd_V1_Cluster.Client(wrapping: attempt.connection)
            return NodeStatus(try await cluster.status(.init(), options: attempt.options))
        }
    }

    // MARK: Reading latches

    /// One latch, linearizable.
    /// - Throws: ``LatchError``: `notFound` if nobody ever took part in it or watched it, or it was
    ///   deleted.
    public func latch(
        _ name: String, namespace: String = LatchCluster.defaultNamespace
    ) async throws -> LatchInfo {
        let name = try LatchName(namespace: namespace, name: name)
        do {
            let response = try await calls.perform(calls.plan) { try await $0.latch(name) }
            return LatchInfo(response.latch, index: response.index)
        } catch let error as LatchError where error.code == .notFound {
            throw LatchError(
                .notFound, "there is no latch \"\(name.name)\" in namespace \"\(name.namespace)\"")
        }
    }

    /// One page of latches in byte order of (namespace, name).
    /// - Parameters:
    ///   - namespace: only this one; nil: all.
    ///   - prefix: only names that start so.
    ///   - pageSize: at most this many; the servers may send fewer.
    ///   - pageToken: ``LatchPage/nextPageToken`` of the page before.
    public func latches(
        namespace: String? = nil, prefix: String = "", pageSize: Int = 500,
        pageToken: String? = nil
    ) async throws -> LatchPage {
        try LatchName.check(namespace ?? "", "the namespace")
        try LatchName.check(prefix, "the prefix")
        let request = Latchd_V1_ListLatchesRequest.with {
            if let namespace { $0.namespace = namespace }
            $0.prefix = prefix
            $0.pageSize = UInt32(clamping: pageSize)
            $0.pageToken = pageToken ?? ""
        }
        let response = try await calls.perform(calls.plan) { attempt in
            let cluster = Latchd_V1_Cluster.Client(wrapping: attempt.connection)
            return try await cluster.listLatches(request, options: attempt.options)
        }
        return LatchPage(
            latches: response.latches.map { LatchInfo($0, index: response.index) },
            nextPageToken: response.nextPageToken.isEmpty ? nil : response.nextPageToken,
            index: response.index)
    }

    /// All latches, page by page. Each page is linearizable; the whole is no snapshot.
    public func allLatches(
        namespace: String? = nil, prefix: String = ""
    ) async throws -> [LatchInfo] {
        var all: [LatchInfo] = []
        var token: String?
        repeat {
            let page = try await latches(namespace: namespace, prefix: prefix, pageToken: token)
            all += page.latches
            token = page.nextPageToken
        } while token != nil
        return all
    }

    // MARK: Deleting

    /// Deletes a latch: all its sessions end, those of holders, of who waits, and of watchers. Its
    /// count of grants starts again, its fencing token does not. Succeeds if there is none.
    ///
    /// A holder learns of it with its next keep-alive, after a third of its TTL or later, and may
    /// act until then while somebody else takes the latch: only the fencing token protects. Delete
    /// what nobody holds.
    /// - Throws: ``LatchError``. It is repeated until a node answers, so a latch that somebody
    ///   created meanwhile can be deleted too.
    public func delete(
        _ name: String, namespace: String = LatchCluster.defaultNamespace
    ) async throws {
        let name = try LatchName(namespace: namespace, name: name)
        let request = Atomix_Leader_CloseRequest.with {
            $0.header.name = .with {
                $0.namespace = name.namespace
                $0.name = name.name
            }
            $0.delete = true
        }
        _ = try await calls.perform(calls.plan) { try await $0.close(request) }
    }

    // MARK: Watching

    /// The state of a latch now and after every change, for as long as the sequence is read. It
    /// goes on through another node when one fails, without missing a change if that takes less
    /// than `ttl`.
    ///
    /// Watching opens a session, which makes the latch exist. The sequence throws a ``LatchError``
    /// if it cannot begin within ``LatchSettings/timeout``, or when a node says that it never will;
    /// once it told a state it waits for the cluster for ever. A reader that lags far behind misses
    /// older events, never the newest state, and is told by ``WatchEvent/resynchronized``.
    public func watch(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        ttl: Duration = .seconds(10)
    ) throws -> AsyncThrowingStream<WatchEvent, any Error> {
        let name = try LatchName(namespace: namespace, name: name)
        let (output, stream) = WatchOutput.make()
        let watch = LatchWatch(calls: calls, name: name, ttl: ttl, output: output)
        let number = Int.random(in: .min ... .max)
        // The lock is held until the task is in the table, so that it cannot take
        // itself out before.
        let task = watches.withLock { watches in
            let task = Task {
                await watch.run()
                _ = self.watches.withLock { $0.removeValue(forKey: number) }
            }
            watches[number] = task
            return task
        }
        output.onTermination { task.cancel() }
        return stream
    }

    // MARK: Taking part

    /// Joins a latch and stays in it until ``LatchHold/leave()``. Returns once the place in the
    /// queue is taken, which need not be the first.
    /// - Parameters:
    ///   - participant: unique among the live participants of the latch; nil: a random id.
    ///   - ttl: how long the session outlives its last keep-alive, 10 ms … 24 h, in whole
    ///     milliseconds (the rest is dropped). Somebody else may hold the latch that long after
    ///     this process died.
    /// - Throws: ``LatchError``, for example `participantInUse`.
    public func hold(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        participant: String? = nil, ttl: Duration = .seconds(10)
    ) async throws -> LatchHold {
        let name = try LatchName(namespace: namespace, name: name)
        let participant = participant ?? randomParticipant()
        guard !participant.isEmpty else {
            throw LatchError(.invalidArgument, "the participant id is empty")
        }
        try LatchName.check(participant, "the participant id")
        let session = try await Session.open(calls: calls, name: name, ttl: ttl)
        do {
            let latch = try await session.join(participant)
            if QueuePlace.isTaken(participant, in: latch.participants) {
                throw LatchError(
                    .participantInUse,
                    """
                    another session takes part in "\(name.name)" as "\(participant)"; choose another id, or wait until \
                    that session ends
                    """)
            }
            let (states, output) = AsyncStream<HoldState>.makeStream(
                bufferingPolicy: .bufferingNewest(64))
            let core = HoldCore(
                session: session, participant: participant, first: latch, output: output
            ) { try await session.read() }
            return LatchHold(core: core, states: states)
        } catch {
            // What joined, or may have joined, must not stay.
            await session.abandon()
            throw error
        }
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
