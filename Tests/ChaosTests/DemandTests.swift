import Chaos
import ClusterHarness
import Foundation
import Testing

@Suite("What makes a run bad beside its history")
struct DemandTests {
    /// `latchd` in name only: it ends at once, each node in its own way.
    private static let program = """
        #!/bin/sh
        case "$2" in
            *node1.yaml) kill -ILL $$ ;;
            *node2.yaml) exit 74 ;;
            *) exit 70 ;;
        esac
        """

    @Test("a node whose disk fails ends with 74; a trap or another code is a violation")
    func ends() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-ends-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Self.program.write(to: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: file.path)
        try await ChaosCluster.with(.init(latchd: file)) { cluster in
            for id in cluster.ids { await cluster.expectEnd(of: id, with: .diskFailure) }
            try await eventually("the ends of all nodes") { () -> Void? in
                for id in cluster.ids where await cluster.isRunning(id) { return nil }
                return ()
            }
            let told = await cluster.unexpectedEnds()
            #expect(
                told == [
                    "node 1 ended by itself with code 132; it might with 74",
                    "node 3 ended by itself with code 70; it might with 74",
                ])
            #expect(await cluster.unexpectedEnds() == [], "each is told once")
            #expect(await cluster.hasFailed(2))

            try await cluster.start(2)
            try await eventually("the end of node 2") { () -> Void? in
                await cluster.isRunning(2) ? nil : ()
            }
            #expect(await cluster.unexpectedEnds() == ["node 2 ended by itself with code 74"])
        }
    }

    @Test("skipped kinds and too few calls a second are bad where the plan says so, only there")
    func shortfalls() {
        var plan = ChaosRun.Plan(
            cluster: .init(latchd: URL(fileURLWithPath: "/nowhere")), seed: 1)
        #expect(plan.shortfalls(acknowledgedPerSecond: 0, skipped: ["full-disk"]) == [])
        plan.demandsAllKinds = true
        plan.leastAcknowledgedPerSecond = 500
        #expect(plan.shortfalls(acknowledgedPerSecond: 500, skipped: []) == [])
        #expect(plan.shortfalls(acknowledgedPerSecond: 499, skipped: ["full-disk"]).count == 2)
    }
}
