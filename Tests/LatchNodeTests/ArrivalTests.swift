import Dispatch
import LatchMachine
import NIOCore
import NIOEmbedded
import RaftCore
import Testing

@testable import LatchNode

/// A loop whose thread loses the processor right after it has read the clock.
private final class InterruptedLoop: EventLoop, @unchecked Sendable {
    private let base: EmbeddedEventLoop
    private var skipped = TimeAmount.zero
    /// What happens meanwhile, once, and how long it takes.
    var interruption: (length: TimeAmount, body: () -> Void)?

    init(_ base: EmbeddedEventLoop) { self.base = base }

    var now: NIODeadline {
        let read = base.now + skipped
        if let (length, body) = interruption {
            interruption = nil
            skipped = skipped + length
            body()
        }
        return read
    }

    var inEventLoop: Bool { true }
    func execute(_ task: @escaping @Sendable () -> Void) { base.execute(task) }

    @preconcurrency func scheduleTask<Value>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> { base.scheduleTask(deadline: deadline - skipped, task) }

    @preconcurrency func scheduleTask<Value>(
        in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> { base.scheduleTask(in: delay, task) }

    func shutdownGracefully(
        queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void
    ) { base.shutdownGracefully(queue: queue, callback) }
}

@Suite("When a call counts as having come")
struct ArrivalTests {
    @Test("a session opened while the node's thread waits for the processor has all of its TTL")
    func arrival() throws {
        var interrupted: InterruptedLoop?
        let stage = try NodeStage(running: { base in
            let loop = InterruptedLoop(base)
            interrupted = loop
            return loop
        })
        let loop = try #require(interrupted)
        stage.node.startOnLoop()
        stage.wait { stage.node.raft.isReadyToServe }
        #expect(stage.open(.other) > 0)
        let before = stage.node.machine.logTimeMilliseconds

        // The turn begins for another call; this one comes 200 ms after the turn read the clock.
        let late = ResultSink(loop: stage.loop)
        loop.interruption = (
            .milliseconds(200),
            {
                stage.node.submit(
                    .command(.openSession(.demo, timeoutMilliseconds: 1_000), late))
            }
        )
        _ = stage.call { .status($0) }
        stage.wait { late.result != nil }
        guard case .answer(.sessionOpened, _)? = late.result else {
            Issue.record("\(String(describing: late.result))")
            return
        }
        #expect(stage.node.machine.logTimeMilliseconds >= before + 200)
    }
}
