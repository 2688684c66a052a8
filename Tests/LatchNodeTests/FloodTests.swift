import LatchMachine
import NIOCore
import NIOEmbedded
import RaftCore
import Testing

@testable import LatchNode

@Suite("A flood of calls (A4, T7)")
struct FloodTests {
    private func join(_ session: SessionID, _ number: Int) -> Command {
        .latch(.demo, session, requestID: 0, participant: "p\(number)")
    }

    @Test(
        "past the bound calls are refused at once; the node says how it is, and serves again (A4)")
    func overloaded() throws {
        let stage = try NodeStage { $0.maximumPendingCalls = 100 }
        stage.node.startOnLoop()
        let session = stage.open()
        // Nothing can be decided meanwhile.
        stage.disk.isBusy = true
        let sinks = (0..<1_000).map { _ in ResultSink(loop: stage.loop) }
        for (number, sink) in sinks.enumerated() {
            stage.node.submit(.command(join(session, number), sink))
            // Refused at the door, or by the node.
            if number % 150 == 0 { stage.loop.run() }
        }
        stage.loop.run()
        let refused = sinks.count { sink in
            if case .failed(.overloaded) = sink.result { true } else { false }
        }
        #expect(refused == 900)
        #expect(sinks.count { $0.result == nil } == 100)
        guard case .status(let status)? = stage.call({ .status($0) }) else {
            Issue.record("no status")
            return
        }
        #expect(status.pendingCalls == 100)

        stage.disk.isBusy = false
        stage.wait { sinks.allSatisfy { $0.result != nil } }
        #expect(stage.node.machine.latchState(.demo)?.participants.count == 100)
        #expect(stage.apply(join(session, 1_000)) != nil)
    }

    /// What one run of the loop found between two turns of the node.
    private final class Between: @unchecked Sendable {
        var lengths: [UInt64] = []
    }

    @Test("a flood is taken in slices: whatever else is due on the loop comes between them (T7)")
    func slices() throws {
        let stage = try NodeStage()
        stage.node.startOnLoop()
        let session = stage.open()
        let before = stage.node.raft.log.lastIndex.rawValue
        let sinks = (0..<20_000).map { _ in ResultSink(loop: stage.loop) }
        for sink in sinks { stage.node.submit(.command(join(session, 1), sink)) }
        // A timer or a frame of a peer would stand here in the queue.
        let between = Between()
        func look() {
            let loop = stage.loop
            let node = stage.node
            loop.execute {
                between.lengths.append(node.raft.log.lastIndex.rawValue - before)
                if between.lengths.count < 8 { look() }
            }
        }
        look()
        stage.wait { sinks.allSatisfy { $0.result != nil } }
        #expect(sinks.allSatisfy { $0.result != nil })
        let steps = zip(between.lengths, [0] + between.lengths).map { $0 - $1 }
        #expect((1...4_096).contains(steps.first ?? 0), "\(between.lengths)")
        // Two turns at most: the next one, and the one that the disk asked for.
        #expect(steps.allSatisfy { $0 <= 2 * 4_096 }, "\(between.lengths)")
        #expect(between.lengths.last == 20_000)
    }
}
