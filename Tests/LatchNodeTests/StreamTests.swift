import LatchMachine
import LatchNode
import NIOCore
import NIOEmbedded
import Testing

/// One carriage of an Events stream, as its client sees it.
private final class CarriageSink: SubscriberSink, @unchecked Sendable {
    let loop: any EventLoop
    private(set) var result: NodeResult?
    private(set) var frames: [Frame] = []
    private(set) var ends: [AbandonReason] = []

    init(loop: any EventLoop) { self.loop = loop }
    func complete(_ result: NodeResult) { self.result = result }
    func deliver(_ frame: Frame) { frames.append(frame) }
    func abandon(_ reason: AbandonReason) { ends.append(reason) }
}

@Suite("Event streams of a node (E4, E8)")
struct StreamTests {
    /// A stream that is served, of a latch whose ring has lost frames that its client has not
    /// acknowledged when `isLost`.
    private func stage(isLost: Bool) throws -> (NodeStage, Command, CarriageSink) {
        let stage = try NodeStage { settings in
            settings.limits.eventsPerLatch = isLost ? 2 : 128
            settings.requestTimeoutMilliseconds = 100
        }
        stage.node.startOnLoop()
        let session = stage.open()
        let open = Command.openStream(.demo, session, requestID: 1, index: 0)
        let first = CarriageSink(loop: stage.loop)
        stage.node.submit(.subscribe(open, first))
        stage.wait { first.result != nil }
        for request in 2...7 as ClosedRange<UInt64> {
            stage.apply(.latch(.demo, session, requestID: request, participant: "p\(request)"))
        }
        #expect(first.frames.count == 6 && first.ends.isEmpty)
        return (stage, open, first)
    }

    /// The stream is asked for again, and the answer is awaited no longer when the entry is applied
    /// at last.
    private func reopenTooLate(_ stage: NodeStage, _ open: Command) {
        let second = CarriageSink(loop: stage.loop)
        stage.disk.isBusy = true
        stage.node.submit(.subscribe(open, second))
        stage.wait { second.result != nil }
        guard case .failed(.outcomeUnknown)? = second.result else {
            Issue.record("the second carriage got \(String(describing: second.result))")
            return
        }
        let applied = stage.node.machine.lastApplied
        stage.disk.isBusy = false
        stage.wait { stage.node.machine.lastApplied > applied }
    }

    @Test("a carriage learns that its stream ended by an opening that nobody waited for any more")
    func endedBehindItsBack() throws {
        let (stage, open, first) = try stage(isLost: true)
        reopenTooLate(stage, open)
        stage.wait { !first.ends.isEmpty }
        guard case .lagged(after: let last)? = first.ends.first else {
            Issue.record("the carriage was told \(first.ends)")
            return
        }
        #expect(last == first.frames.last?.responseID)
        #expect(first.ends.count == 1)
    }

    @Test("an opening that nobody waited for any more takes nothing from a carriage that can go on")
    func takesNothing() throws {
        let (stage, open, first) = try stage(isLost: false)
        reopenTooLate(stage, open)
        let session = stage.open()
        stage.apply(.latch(.demo, session, requestID: 1, participant: "late"))
        stage.wait { first.frames.count > 6 }
        #expect(first.frames.count == 7 && first.ends.isEmpty)
    }
}
