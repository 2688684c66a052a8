import NIOCore
import RaftCore
import Testing

@testable import PeerTransport

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The listener is told what the kernel would say when descriptors run out: to take them all would
/// stop every test of this process. `GRPCEdgeTests` does take them all, at the client port.
@Suite("The peer port pauses when nothing can be accepted", .serialized)
struct AcceptPauseTests {
    private static let pause = Duration.milliseconds(100)

    @Test("an established link goes on, a new one waits for the pause to end, once (P6)")
    func pauses() async throws {
        try await withOne { one, port in
            let established = try await RawPeer.connect(toPort: port)
            let seal = try #require(try await established.shakeHands(hello()))
            let began = ContinuousClock.now
            #expect(try await isReading(one))
            try await fail(one, with: IOError(errnoCode: EMFILE, reason: "accept"), times: 100)
            #expect(try await !isReading(one))
            let waiting = try await RawPeer.connect(toPort: port)
            try await established.send(encoded([heartbeat(commit: 1)], seal: seal))
            #expect(await eventually { one.frames == [heartbeat(commit: 1)] })
            let snapshots = try await waiting.shakeHands(hello(kind: .snapshot, nonce: 8))
            #expect(snapshots != nil)
            #expect(ContinuousClock.now - began >= Self.pause)
            #expect(try await isReading(one))
            #expect(!established.isClosed && one.violations.isEmpty)
        }
    }

    @Test("a pause is followed by another one when accepting fails again (P6)")
    func again() async throws {
        try await withOne { one, port in
            for _ in 0..<3 {
                try await fail(one, with: IOError(errnoCode: ENFILE, reason: "accept"))
                #expect(try await !isReading(one))
                #expect(try await eventually { try await isReading(one) })
            }
            let raw = try await RawPeer.connect(toPort: port)
            #expect(try await raw.shakeHands(hello()) != nil)
        }
    }

    @Test("an error that is not the system's pauses nothing")
    func otherErrors() async throws {
        try await withOne { one, _ in
            try await fail(one, with: ChannelError.inputClosed)
            #expect(try await isReading(one))
        }
    }

    @Test("a listener that is closed during its pause stays closed")
    func closedMeanwhile() async throws {
        try await withOne { one, port in
            try await fail(one, with: IOError(errnoCode: EMFILE, reason: "accept"))
            await one.transport.shutdown()
            await nothingMayHappen(for: Self.pause * 2)
            await #expect(throws: (any Error).self) { _ = try await RawPeer.connect(toPort: port) }
        }
    }

    /// Tells the listener that accepting has failed, as the selector does.
    private func fail(
        _ node: TestNode, with error: any Error & Sendable, times: Int = 1
    ) async throws {
        try await node.onLoop { transport in
            for _ in 0..<times { transport.listener?.pipeline.fireErrorCaught(error) }
        }
    }

    private func isReading(_ node: TestNode) async throws -> Bool {
        try await node.onLoop { try $0.listener?.syncOptions?.getOption(.autoRead) ?? false }
    }
}
