import LocalMachine
import NIOCore
import NIOPosix
import PeerTransport
import RaftCore
import Testing

@Suite("Links between two transports", .serialized)
struct LinkTests {
    @Test("100,000 frames arrive in the order they were sent, with batch ends after bursts")
    func inOrder() async throws {
        try await withPair { one, two in
            let total = 100_000
            for start in stride(from: 0, to: total, by: 1_000) {
                let batch = (start..<start + 1_000).map {
                    PeerFrame.readIndexRequest(number: UInt64($0))
                }
                try await one.sendAll(batch, to: two.id)
            }
            #expect(await eventually(within: .seconds(30)) { two.events.count > total })
            #expect(await eventually { two.frames.count == total })
            let expected = (0..<total).map { PeerFrame.readIndexRequest(number: UInt64($0)) }
            #expect(two.frames == expected)
            #expect(await eventually { two.events.last == .batchEnded })
        }
    }

    @Test("every kind of frame crosses, both ways")
    func everyFrame() async throws {
        try await withPair { one, two in
            let frames = sampleFrames.map(\.frame)
            try await two.sendAll(frames, to: one.id)
            #expect(await eventually { Set(one.frames) == Set(frames) })
        }
    }

    @Test("a refused reconnect after a lost link reports the peer unreachable within 100 ms")
    func unreachable() async throws {
        try await withPair { one, two in
            let began = ContinuousClock.now
            await two.transport.shutdown()
            #expect(await eventually { one.saw(.unreachable(two.id)) })
            #expect(ContinuousClock.now - began < .milliseconds(100))
            let isConnected = try await one.onLoop { $0.isConnected(ServerID(2)) }
            #expect(!isConnected)
            // Repeated while it lasts: a late message may have withdrawn the evidence.
            #expect(await eventually { one.count(of: .unreachable(two.id)) > 2 })
            #expect(one.count(of: .linkDown(two.id)) == 1)
        }
    }

    @Test("a peer that has never been up is not reported unreachable")
    func neverUp() async throws {
        let port = FreePorts.takeOne()
        try await withNodes([configuration(1, port: 0, peers: [(2, port)])]) { nodes in
            await nothingMayHappen(for: .milliseconds(200))
            #expect(nodes[0].events == [])
        }
    }

    @Test("links come back after the peer restarts")
    func restart() async throws {
        let ports = (FreePorts.takeOne(), FreePorts.takeOne())
        let first = configuration(1, port: ports.0, peers: [(2, ports.1)])
        let second = configuration(2, port: ports.1, peers: [(1, ports.0)])
        try await withNodes([first]) { nodes in
            let one = nodes[0]
            for round in 1...3 {
                try await withNodes([second]) { others in
                    #expect(await eventually { one.count(of: .linkUp(ServerID(2))) == round })
                    #expect(await eventually { others[0].saw(.linkUp(ServerID(1))) })
                }
                #expect(await eventually { one.count(of: .linkDown(ServerID(2))) == round })
            }
        }
    }

    @Test("a deliberate disconnect is followed by a reconnect, also when both sides do it")
    func disconnect() async throws {
        try await withPair { one, two in
            try await one.onLoop { $0.disconnect(ServerID(2)) }
            try await two.onLoop { $0.disconnect(ServerID(1)) }
            #expect(await eventually { one.saw(.linkDown(two.id)) && two.saw(.linkDown(one.id)) })
            #expect(
                await eventually {
                    one.count(of: .linkUp(two.id)) >= 2 && two.count(of: .linkUp(one.id)) >= 2
                })
            let isUp = try await eventually { try await one.onLoop { $0.isConnected(ServerID(2)) } }
            #expect(isUp)
            try await one.sendAll([.readIndexRequest(number: 5)], to: two.id)
            #expect(await eventually { two.frames == [.readIndexRequest(number: 5)] })
            #expect(!one.saw(.unreachable(two.id)) && !two.saw(.unreachable(one.id)))
        }
    }

    @Test("a server that accepts and stays silent does not get a link (N10)")
    func silentServer() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        var configuration = configuration(
            1, port: 0, peers: [(2, server.localAddress?.port ?? 0)])
        configuration.handshakeTimeoutMilliseconds = 50
        try await withNodes([configuration]) { nodes in
            await nothingMayHappen(for: .milliseconds(200))
            #expect(nodes[0].events == [])
        }
        try await server.close()
    }

    @Test("a link over which nothing comes back is dead within the link timeout (N8)")
    func halfOpen() async throws {
        let frozen = try await FrozenPeer.start()
        let configuration = configuration(
            1, port: 0, peers: [(2, frozen.port)], linkTimeout: 200)
        try await withNodes([configuration]) { nodes in
            let one = nodes[0]
            #expect(await eventually { one.saw(.linkUp(ServerID(2))) })
            let began = ContinuousClock.now
            #expect(await eventually { one.saw(.linkDown(ServerID(2))) })
            let silence = ContinuousClock.now - began
            #expect(silence > .milliseconds(100) && silence < .milliseconds(400), "\(silence)")
        }
        await frozen.stop()
    }

    @Test("idle links stay up for many link timeouts")
    func keepAlive() async throws {
        try await withPair(linkTimeout: 400) { one, two in
            await nothingMayHappen(for: .milliseconds(1_600))
            #expect(!one.saw(.linkDown(two.id)) && !two.saw(.linkDown(one.id)))
        }
    }

    @Test("two nodes with different link timeouts keep their links")
    func differentTimeouts() async throws {
        let ports = (FreePorts.takeOne(), FreePorts.takeOne())
        let one = configuration(1, port: ports.0, peers: [(2, ports.1)], linkTimeout: 8_000)
        let two = configuration(2, port: ports.1, peers: [(1, ports.0)], linkTimeout: 400)
        try await withNodes([one, two]) { nodes in
            #expect(await eventually { nodes[0].saw(.linkUp(ServerID(2))) })
            #expect(await eventually { nodes[1].saw(.linkUp(ServerID(1))) })
            await nothingMayHappen(for: .milliseconds(1_000))
            #expect(!nodes[0].saw(.linkDown(ServerID(2))))
            #expect(!nodes[1].saw(.linkDown(ServerID(1))))
        }
    }

    @Test("an address in use is refused with the address and what to do")
    func addressInUse() async throws {
        try await withNodes([configuration(1, port: 0, peers: [])]) { nodes in
            let port = try await nodes[0].onLoop { $0.boundPort } ?? 0
            let other = TestNode(configuration(2, port: port, peers: []))
            let error = await #expect(throws: PeerTransportError.self) {
                try await other.transport.start()
            }
            #expect(
                error?.description
                    == "cannot listen for peers on 127.0.0.1:\(port): the address is in use; "
                    + "stop the process that has it, or configure another port")
        }
    }
}
