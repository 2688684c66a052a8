import ClusterHarness
import Foundation
import LatchAPI

extension Nemesis {
    /// Cycles of kill -9: a node dies under load, comes back and is caught up before the next.
    /// Each tenth cycle kills all nodes, each seventh two.
    ///
    /// - Parameter done: told the number of each cycle that is over.
    func killCycles(
        _ count: Int, _ recorder: Recorder, done: (Int) -> Void
    ) async throws {
        for cycle in 1...max(1, count) {
            let victims =
                cycle % 10 == 0
                ? cluster.ids
                : someNodes(cycle % 7 == 0 ? 2 : 1)
            let kind: FaultKind =
                victims.count == 1 ? .kill : victims.count == 2 ? .killTwo : .killAll
            say(kind, "\(victims) (cycle \(cycle))")
            await cluster.kill(victims)
            try await wait(milliseconds: random(0...400))
            for id in victims { try await cluster.start(id) }
            let goal = recorder.acknowledged + random(20...200)
            for id in victims { try await ready(id) }
            _ = try await eventually("progress after cycle \(cycle)", within: 20) {
                recorder.acknowledged >= goal ? true : nil
            }
            done(cycle)
        }
    }

    private func ready(_ id: Int) async throws {
        let endpoint = await cluster.ownEndpoint(of: id)
        try await NodeConnection.with(endpoint: endpoint) { connection in
            _ = try await eventually("node \(id) is ready again", within: 20) {
                try await connection.status().node.ready ? true : nil
            }
        }
    }
}
