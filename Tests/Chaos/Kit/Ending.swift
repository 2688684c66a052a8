import ClusterHarness
import HistoryChecker
import LatchAPI

/// What is demanded of a cluster once all faults are over (liveness).
package struct Ending: Sendable {
    let cluster: ChaosCluster
    let recorder: Recorder
    let timeline: Timeline

    package init(_ cluster: ChaosCluster, _ recorder: Recorder, _ timeline: Timeline) {
        self.cluster = cluster
        self.recorder = recorder
        self.timeline = timeline
    }

    /// Every node is ready, grants a new latch, and has the same state; returns what is not so.
    package func demand(within seconds: Double = 30) async -> [String] {
        var failures: [String] = []
        do {
            for id in cluster.ids { try await ready(id, within: seconds) }
            timeline.note("ending: every node is ready")
            for id in cluster.ids { try await grant(through: id, within: seconds) }
            try await agreement(within: seconds)
            timeline.note("ending: every node grants, all states are equal")
        } catch {
            failures.append("liveness: \(error)")
            timeline.note("VIOLATION: \(error)")
        }
        return failures
    }

    private func ready(_ id: Int, within seconds: Double) async throws {
        let endpoint = await cluster.endpoint(of: id)
        try await NodeConnection.with(endpoint: endpoint) { connection in
            _ = try await eventually("node \(id) is ready", within: seconds) {
                try await connection.status().node.ready ? true : nil
            }
        }
    }

    /// A new session on a new latch, which it must be granted.
    private func grant(through id: Int, within seconds: Double) async throws {
        let endpoint = await cluster.endpoint(of: id)
        try await NodeConnection.with(endpoint: endpoint) { connection in
            let attempt = AtomixAttempt(connection)
            try await eventually("a grant through node \(id)", within: seconds) {
                try await grantOnce(attempt, id)
            }
        }
    }

    private func grantOnce(_ attempt: AtomixAttempt, _ id: Int) async throws -> Void? {
        let latch = "ending-\(id)-\(recorder.now())"
        let client = 9_000 + id
        let open = Call.openSession(latch: latch, timeoutMilliseconds: 30_000)
        let (created, _) = await recorder.attempt(open, client: client, node: id) {
            try await attempt.create(ChaosClients.header(latch), milliseconds: 30_000)
        } outcome: {
            (.opened(session: $0.header.sessionID), $0.header.index)
        }
        guard let session = created?.header.sessionID else { return nil }
        let join = Call.join(latch: latch, session: session, requestID: 1, participant: "last")
        let (answer, _) = await recorder.attempt(join, client: client, node: id) {
            try await attempt.latch(
                ChaosClients.header(latch, session: session, requestID: 1), "last")
        } outcome: {
            (.state(LatchView($0.latch)), $0.header.index)
        }
        guard let answer else { return nil }
        guard answer.latch.leader == "last" else {
            throw HarnessError("the first to join \(latch) through node \(id) does not hold it")
        }
        return ()
    }

    /// Nodes that have applied as much have the same digest.
    private func agreement(within seconds: Double) async throws {
        let endpoints = await cluster.ownEndpoints
        try await NodeConnection.withEach(of: endpoints) { connections in
            try await eventually("equal state on all nodes", within: seconds) { () -> Void? in
                var seen: [UInt64: UInt64] = [:]
                for connection in connections {
                    let node = try await connection.status().node
                    if let other = seen[node.lastApplied], other != node.stateDigest {
                        throw HarnessError("digests differ at index \(node.lastApplied)")
                    }
                    seen[node.lastApplied] = node.stateDigest
                }
                return seen.count == 1 ? () : nil
            }
        }
    }
}
