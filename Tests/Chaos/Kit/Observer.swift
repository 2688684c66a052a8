import ClusterHarness
import LatchAPI
import Synchronization

/// Looks at every node's status several times a second, past all faults of links, and writes down
/// who leads.
package final class Observer: Sendable {
    fileprivate struct State {
        var leader: Int?
        /// Who was seen to lead each term.
        var leaders: [UInt64: Int] = [:]
        var highestTerm: UInt64 = 0
        var termChanges = 0
        /// When each term was first seen, in milliseconds of the timeline.
        var violations: [String] = []
        var nodes: [Int: Latchd_V1_NodeStatus] = [:]
    }

    private let state = Mutex(State())
    private let timeline: Timeline

    package init(_ timeline: Timeline) { self.timeline = timeline }

    /// The node that led the highest term when last seen.
    package var leader: Int? { state.withLock { $0.leader } }
    package var highestTerm: UInt64 { state.withLock { $0.highestTerm } }
    package var termChanges: Int { state.withLock { $0.termChanges } }
    package var elections: Int { state.withLock { $0.leaders.count } }
    package var violations: [String] { state.withLock { $0.violations } }
    package func note(violation: String) {
        timeline.note("VIOLATION: \(violation)")
        state.withLock { $0.violations.append(violation) }
    }

    /// Runs `body` while every node of `cluster` is looked at.
    package func watching<Result: Sendable>(
        _ cluster: ChaosCluster, recorder: Recorder? = nil, every: Duration = .milliseconds(100),
        _ body: () async throws -> Result
    ) async throws -> Result {
        let endpoints = await cluster.ownEndpoints
        let looking = Task {
            await withTaskGroup { group in
                for (position, endpoint) in endpoints.enumerated() {
                    group.addTask { await self.look(at: endpoint, position + 1, every) }
                }
                group.addTask { await self.lookAtEnds(of: cluster, recorder) }
            }
        }
        do {
            let result = try await body()
            looking.cancel()
            await looking.value
            return result
        } catch {
            looking.cancel()
            await looking.value
            throw error
        }
    }

    private func look(at endpoint: String, _ id: Int, _ every: Duration) async {
        try? await NodeConnection.with(endpoint: endpoint) { connection in
            while !Task.isCancelled {
                if let status = try? await connection.status() { see(status.node, id) }
                try? await Task.sleep(for: every)
            }
        }
    }

    private func lookAtEnds(of cluster: ChaosCluster, _ recorder: Recorder?) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(500))
            for end in await cluster.unexpectedEnds() { note(violation: end) }
            guard let (failures, acknowledged) = recorder?.takeRecent() else { continue }
            if failures > 10 || acknowledged == 0 {
                timeline.note("clients: \(failures) failed, \(acknowledged) acknowledged in 0.5 s")
            }
        }
    }

    private func see(_ node: Latchd_V1_NodeStatus, _ id: Int) {
        let (lines, broken) = state.withLock { state in
            state.see(node, id)
        }
        for line in lines { timeline.note(line) }
        for text in broken { note(violation: text) }
    }
}

extension Observer.State {
    /// Lines for the timeline, and what must never be.
    fileprivate mutating func see(
        _ node: Latchd_V1_NodeStatus, _ id: Int
    ) -> (lines: [String], broken: [String]) {
        var (lines, broken): ([String], [String]) = ([], [])
        if let before = nodes[id], node.currentTerm < before.currentTerm {
            broken.append(
                "node \(id) went from term \(before.currentTerm) to \(node.currentTerm)")
        }
        nodes[id] = node
        if node.currentTerm > highestTerm {
            if highestTerm > 0 { termChanges += 1 }
            highestTerm = node.currentTerm
        }
        guard node.role == .leader else {
            if leader == id { leader = nil }
            return (lines, broken)
        }
        if let other = leaders[node.currentTerm], other != id {
            broken.append("nodes \(other) and \(id) both lead term \(node.currentTerm)")
        }
        if leaders[node.currentTerm] == nil {
            lines.append("cluster: node \(id) leads term \(node.currentTerm)")
        }
        leaders[node.currentTerm] = id
        if node.currentTerm == highestTerm { leader = id }
        return (lines, broken)
    }
}
