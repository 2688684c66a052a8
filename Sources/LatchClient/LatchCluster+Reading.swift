import LatchAPI
import SwiftProtobuf

/// How fresh an answer must be.
public enum ReadConsistency: Sendable, Hashable {
    /// It reflects everything that was acknowledged before the call.
    case linearizable
    /// What the node that is asked has applied, at once and without a leader; ``LatchInfo/age``
    /// says how old that may be.
    case stale
}

extension LatchCluster {
    // MARK: Reading latches

    /// One latch.
    /// - Throws: ``LatchError``: `notFound` if nobody ever took part in it, or it was deleted.
    public func latch(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        consistency: ReadConsistency = .linearizable
    ) async throws -> LatchInfo {
        let name = try LatchName(checking: name, namespace: namespace)
        let request = Latchd_V1_GetLatchRequest.with {
            $0.namespace = name.namespace
            $0.name = name.name
            $0.stale = consistency == .stale
        }
        let response = try await calls.performOn(name) {
            try await $0.cluster.getLatch(request, options: $0.options)
        }
        return LatchInfo(
            response.latch, index: response.index,
            age: response.hasAgeMs ? .milliseconds(response.ageMs) : nil)
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
        let response = try await calls.perform(calls.plan) {
            try await $0.cluster.listLatches(request, options: $0.options)
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

    /// The latch's ledger: who held it, from when to when, and why that began and ended.
    /// Linearizable.
    /// - Parameter afterToken: only terms with higher tokens; nil: all that are kept.
    /// - Throws: ``LatchError``: `notFound` if there is no such latch.
    public func history(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        afterToken: UInt64? = nil
    ) async throws -> LatchHistory {
        let name = try LatchName(checking: name, namespace: namespace)
        let request = Latchd_V1_HistoryRequest.with {
            $0.latch = name.wire
            $0.afterToken = afterToken ?? 0
        }
        let response = try await calls.performOn(name) {
            try await $0.latches.history(request, options: $0.options)
        }
        return LatchHistory(
            terms: response.terms.map(LatchTerm.init), isTruncated: response.truncated,
            index: response.index)
    }

    /// Whether a fencing token is the latch's current one. Linearizable when it was answered, and
    /// perhaps outdated when the answer arrives: it tells people what is wrong, it protects
    /// nothing. What is written to must check by itself.
    public func checkToken(
        _ token: UInt64, of name: String, namespace: String = LatchCluster.defaultNamespace
    ) async throws -> TokenCheck {
        let name = try LatchName(checking: name, namespace: namespace)
        let request = Latchd_V1_CheckTokenRequest.with {
            $0.latch = name.wire
            $0.fencingToken = token
        }
        let response = try await calls.performOn(name) {
            try await $0.latches.checkToken(request, options: $0.options)
        }
        let verdict: TokenCheck.Verdict =
            switch response.verdict {
            case .current: .current
            case .outdated: .outdated
            case .unknown, .unspecified, .UNRECOGNIZED: .unknown
            }
        return TokenCheck(
            verdict: verdict, currentToken: response.currentToken, index: response.index)
    }

    // MARK: Observing

    /// What there is to see of a latch: the state now, and every change after, for as long as the
    /// sequence is read. It goes on through another node when one fails or falls silent, and leaves
    /// out no term. Observing does not make a latch exist.
    ///
    /// The sequence throws a ``LatchError`` if nothing can be seen within
    /// ``LatchSettings/timeout``, or when a node says that it never will; once something was seen
    /// it waits for the cluster for ever.
    /// - Parameters:
    ///   - afterToken: the token of the newest term whose end the reader knows of: the terms after
    ///     it follow. Nil: only those from now on.
    ///   - heartbeat: how often a node gives a sign of life, 100 ms … 60 s; a node that is silent
    ///     for two and a half times as long is replaced.
    public func observe(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        afterToken: UInt64? = nil, heartbeat: Duration = .seconds(2)
    ) throws -> LatchObservations {
        let name = try LatchName(checking: name, namespace: namespace)
        let heartbeat = min(max(heartbeat, .milliseconds(100)), .seconds(60))
        return LatchObservations { [self] buffer in
            let observer = Observer(
                calls: calls, name: name, heartbeat: heartbeat, afterToken: afterToken ?? 0,
                onObservation: { buffer.add($0) }, onInterruption: { _ in })
            return startObserving {
                do {
                    try await observer.run()
                    buffer.finish(.success(()))
                } catch {
                    buffer.finish(Task.isCancelled ? .success(()) : .failure(error))
                }
            }
        }
    }

    /// The state of a latch now and after every change, and what happens to the connection, for as
    /// long as the sequence is read. ``observe(_:namespace:afterToken:heartbeat:)`` tells the terms
    /// too.
    ///
    /// The sequence throws as that of ``observe(_:namespace:afterToken:heartbeat:)`` does. A reader
    /// that lags far behind misses older events, never the newest state, and is told by
    /// ``WatchEvent/resynchronized``.
    /// - Parameter ttl: has no meaning any more: to watch takes no session.
    public func watch(
        _ name: String, namespace: String = LatchCluster.defaultNamespace,
        ttl: Duration = .seconds(10)
    ) throws -> AsyncThrowingStream<WatchEvent, any Error> {
        let name = try LatchName(checking: name, namespace: namespace)
        let (output, stream) = WatchOutput.make()
        let observer = Observer(
            calls: calls, name: name, heartbeat: .seconds(2), afterToken: 0,
            onObservation: { output.send($0, of: name) },
            onInterruption: { output.send(.interrupted($0.description)) })
        let task = startObserving {
            do {
                try await observer.run()
                output.finish(throwing: nil)
            } catch {
                output.finish(throwing: Task.isCancelled ? nil : error)
            }
        }
        output.onTermination { task.cancel() }
        return stream
    }
}

extension Calls {
    /// Performs a call on one latch, and says which one if there is none.
    func performOn<Result: Sendable>(
        _ name: LatchName, _ body: @Sendable (Attempt) async throws -> Result
    ) async throws -> Result {
        do {
            return try await perform(plan, body)
        } catch let error as LatchError where error.code == .notFound {
            throw LatchError(
                .notFound,
                """
                there is no latch "\(name.name)" in namespace "\(name.namespace)"; latchctl list shows those \
                of all namespaces
                """)
        }
    }
}
