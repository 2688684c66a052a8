import Chaos
import ClusterHarness
import Synchronization
import Testing

@Suite("The net that faults happen in")
struct FaultNetTests {
    private let there = Direction(Direction.clients, 1)
    private let back = Direction(1, Direction.clients)

    /// Nothing comes for a moment: long enough to tell a fault from a slow machine.
    private func staysAt(_ count: Int, _ client: EchoClient) async throws {
        let end = ContinuousClock.now + .milliseconds(300)
        _ = try await eventually("a quiet moment") {
            #expect(client.count == count)
            return ContinuousClock.now > end ? true : nil
        }
    }

    @Test("a clear link carries all bytes in order, also many")
    func clear() async throws {
        try await EchoBehindNet.with { echo in
            let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            echo.client.send(bytes)
            let received = try await echo.client.wait(for: bytes.count)
            #expect(received == bytes)
            #expect(echo.net.carried(there) == bytes.count)
            #expect(echo.net.carried(back) == bytes.count)
        }
    }

    @Test("a silent direction carries nothing and tells nobody; what waited arrives when it ends")
    func silent() async throws {
        for way in [there, back] {
            try await EchoBehindNet.with { echo in
                echo.client.send([1])
                try await echo.client.wait(for: 1)
                echo.net.set(.silent, on: [way])
                echo.client.send([2, 3])
                try await staysAt(1, echo.client)
                #expect(!echo.client.isClosed.withLock { $0 })
                echo.net.heal()
                let received = try await echo.client.wait(for: 3)
                #expect(received == [1, 2, 3])
            }
        }
    }

    @Test("a delay holds bytes for its time, and jitter keeps their order")
    func delay() async throws {
        try await EchoBehindNet.with { echo in
            let policy = LinkPolicy(delayMilliseconds: 80, jitterMilliseconds: 60)
            echo.net.set(policy, on: [there])
            let start = ContinuousClock.now
            for byte in UInt8(0)..<20 { echo.client.send([byte]) }
            let received = try await echo.client.wait(for: 20)
            #expect(ContinuousClock.now - start >= .milliseconds(80))
            #expect(received == Array(0..<20))
        }
    }

    @Test("a bandwidth is kept to")
    func bandwidth() async throws {
        try await EchoBehindNet.with { echo in
            echo.net.set(LinkPolicy(bytesPerSecond: 20_000), on: [there])
            let start = ContinuousClock.now
            echo.client.send(Array(repeating: 7, count: 20_000))
            try await echo.client.wait(for: 20_000)
            let elapsed = ContinuousClock.now - start
            #expect(elapsed > .milliseconds(700), "a tenth of a second may be saved up")
        }
    }

    @Test("a cut lets half of the next bytes through and closes, once")
    func cut() async throws {
        try await EchoBehindNet.with { echo in
            echo.client.send([1])
            try await echo.client.wait(for: 1)
            echo.net.set(LinkPolicy(cutsInMidFrame: true), on: [there])
            echo.client.send(Array(repeating: 9, count: 1_000))
            try await echo.client.waitForEnd()
            #expect(echo.net.carried(there) == 1)
            #expect(echo.net.policy(of: there) == .clear)
        }
    }

    @Test("who dialled is read from the Hello: the fault of one sender is not another's")
    func sender() async throws {
        // Length, type, magic, two versions, cluster, then the sender.
        let hello = [UInt8](repeating: 0, count: 25) + [0, 2, 0, 1]
        try await EchoBehindNet.with(hello: hello, dialler: .peer) { echo in
            try await echo.client.wait(for: hello.count)
            echo.net.set(.silent, on: [Direction(3, 1), Direction(1, 3)])
            echo.client.send([5])
            try await echo.client.wait(for: hello.count + 1)
            echo.net.set(.silent, on: [Direction(2, 1)])
            echo.client.send([6])
            try await staysAt(hello.count + 1, echo.client)
            echo.net.reset(Direction(2, 1))
            try await echo.client.waitForEnd()
        }
    }
}
