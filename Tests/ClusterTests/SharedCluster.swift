import ClusterHarness

/// One three-node cluster for all contract tests: they use latches of their own, so they do not
/// meet.
actor SharedCluster {
    private static let shared = SharedCluster()
    private var starting: Task<TestCluster, any Error>?

    static func get() async throws -> TestCluster { try await shared.cluster() }

    private func cluster() async throws -> TestCluster {
        if let starting { return try await starting.value }
        let task = Task { try await TestCluster.startForProcess() }
        starting = task
        return try await task.value
    }
}

/// Runs `body` once for each node of the shared cluster, with a connection to it and a latch name
/// of its own.
func onEveryNode(
    _ test: String, _ body: (NodeConnection, _ name: String) async throws -> Void
) async throws {
    let cluster = try await SharedCluster.get()
    for id in cluster.ids {
        try await NodeConnection.with(endpoint: cluster.endpoint(of: id)) { connection in
            do {
                try await body(connection, "\(test)-\(id)")
            } catch {
                throw ClusterFailure(
                    cause: error, logs: "(through node \(id))\n" + (await cluster.logs()))
            }
        }
    }
}
