import ClusterHarness
import Foundation
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

extension FailoverTests {
    @Suite("A whole cluster goes back to a backup (O10, L15)", .serialized)
    struct RestoreTests {
        /// The token of a new session that joins through node 1, and the session.
        private func grant(
            _ cluster: TestCluster, leavingOut former: Latchd_V1_Session? = nil
        ) async throws -> (token: UInt64, session: Latchd_V1_Session) {
            try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { connection in
                let caller = LatchV1Caller(connection, "restored")
                if let former {
                    _ = try await caller.stub.closeSession(.with { $0.session = former })
                }
                let session = try await caller.open(ttl: 600_000)
                let joined = try await caller.joinOnce(session, "holder")
                #expect(joined.state == .holding)
                return (joined.fencingToken, session)
            }
        }

        @Test("sessions of the backup are over, and a grant is above every token ever given")
        func restore() async throws {
            try await TestCluster.withCluster { cluster in
                let files = FileManager.default
                let backup = cluster.folder.appendingPathComponent("backup")
                try files.createDirectory(at: backup, withIntermediateDirectories: true)
                let first = try await grant(cluster)
                for id in cluster.ids { await cluster.signal(id, SIGTERM) }
                for id in cluster.ids { try await #expect(cluster.exitCode(of: id) == 0) }
                for id in cluster.ids {
                    try files.copyItem(
                        at: cluster.dataDirectory(of: id),
                        to: backup.appendingPathComponent("data\(id)"))
                }
                // What happens now will be forgotten, but its token is out in the world.
                for id in cluster.ids { try await cluster.start(id) }
                _ = try await cluster.leader()
                let lost = try await grant(cluster, leavingOut: first.session)
                #expect(lost.token > first.token)

                for id in cluster.ids {
                    await cluster.kill(id)
                    try files.removeItem(at: cluster.dataDirectory(of: id))
                    try files.copyItem(
                        at: backup.appendingPathComponent("data\(id)"),
                        to: cluster.dataDirectory(of: id))
                }
                await cluster.addToConfiguration("incarnation: 1\n")
                for id in cluster.ids { try await cluster.start(id) }
                for id in cluster.ids { try await cluster.catchUp(id) }
                // Its holder's session of the backup does not hold the latch any more.
                let next = try await grant(cluster)
                #expect(next.token > lost.token)
                #expect(next.token >> 48 == 1)
            }
        }
    }
}
