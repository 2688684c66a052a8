import LatchAPI
import Synchronization

/// A `latchd` cluster, seen from an application. Any node answers any call; a node that does not
/// answer is passed over.
///
/// ```swift
/// let cluster = try LatchCluster(endpoints: ["10.0.0.1:7401", "10.0.0.2:7401", "10.0.0.3:7401"])
/// try await cluster.withLatch("payments/primary") { grant in
///     try await pay(fencedBy: grant.fencingToken)
/// }
/// await cluster.shutdown()
/// ```
///
/// ## Topics
/// ### Taking part
/// - ``withLatch(_:namespace:participant:ttl:wait:_:)``
/// - ``Latch``
/// - ``hold(_:namespace:participant:ttl:)``
/// ### Looking
/// - ``observe(_:namespace:afterToken:heartbeat:)``
/// - ``latch(_:namespace:consistency:)``
/// - ``latches(namespace:prefix:pageSize:pageToken:)``
/// - ``history(_:namespace:afterToken:)``
/// - ``checkToken(_:of:namespace:)``
/// - ``status()``
/// ### Operating
/// - ``evict(_:from:namespace:sessionID:fencingToken:)``
/// - ``handOver(_:namespace:fencingToken:to:)``
/// - ``delete(_:namespace:)``
public final class LatchCluster: Sendable {
    /// The namespace that is used when none is named.
    public static let defaultNamespace = "default"

    let calls: Calls
    /// Renews every session of this client.
    let keeper: SessionKeeper
    private let watches = Mutex<[UInt64: Task<Void, Never>]>([:])

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
        keeper = SessionKeeper(calls: calls)
    }

    /// The endpoints, without duplicates.
    public var endpoints: [Endpoint] { calls.endpoints }

    /// Ends everything that observes and closes every connection. Leave latches first: sessions
    /// that are left open end by their TTL.
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
            NodeStatus(try await attempt.cluster.status(.init(), options: attempt.options))
        }
    }

    /// Runs `observing` until it ends or the cluster is shut down.
    func startObserving(_ observing: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        let number = UInt64.random(in: .min ... .max)
        // The lock is held until the task is in the table, so that it cannot take itself out
        // before.
        return watches.withLock { watches in
            let task = Task {
                await observing()
                _ = self.watches.withLock { $0.removeValue(forKey: number) }
            }
            watches[number] = task
            return task
        }
    }
}
