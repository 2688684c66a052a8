import Foundation
import NIOCore
import PeerTransport
import RaftCore
import Testing

@Suite("Speed of a link", .serialized)
struct ThroughputTests {
    private static let isWanted = ProcessInfo.processInfo.environment["LATCH_BENCH"] == "1"

    @Test("frames a second over loopback", .enabled(if: isWanted), arguments: [1, 16, 256])
    func framesPerSecond(batch: Int) async throws {
        try await withPair { one, two in
            let batches = 50_000 / batch
            let frames = (0..<batch).map {
                entries(after: UInt64($0), payload: [UInt8](repeating: 7, count: 40), from: 1)
            }
            let began = ContinuousClock.now
            try await one.onLoop { [id = two.id] transport in
                for _ in 0..<batches {
                    for frame in frames { transport.send(frame, to: id) }
                    transport.flush()
                }
            }
            let total = batches * batch
            let arrived = await eventually(within: .seconds(60)) { two.events.count >= total }
            #expect(arrived)
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            print("peer link, \(batch) a batch: \(Int(Double(total) / seconds)) frames/s")
        }
    }
}
