import GRPCEdge
import NIOCore
import NIOPosix
import Testing

extension GRPCEdgeTests {
    @Suite struct Endings {
        @Test("A client's cancel reaches onCancel, also 150 at once; the connection lives on")
        func cancel() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let ids = (0..<150).map { _ in client.start("/t.T/Hold", [1]) }
                try client.run("all are open") { test.service.opened == 150 }
                for id in ids { client.reset(id) }
                try client.run("all are cancelled") { test.service.cancelled == 150 }
                test.service.releaseHeld()
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                #expect(test.service.cancelled == 150)
            }
        }

        @Test("A lost connection cancels all of its 150 calls")
        func connectionLoss() async throws {
            try await withServer { test in
                try {
                    let client = try HTTP2Client(port: test.port)
                    for _ in 0..<150 { _ = client.start("/t.T/Hold", [1]) }
                    try client.run("all are open") { test.service.opened == 150 }
                }()
                try eventually("all are cancelled") { test.service.cancelled == 150 }
                try eventually("it is closed") { test.server.openConnections == 0 }
                // Late replies to calls that are gone do nothing.
                test.service.releaseHeld()
                try test.expectServes()
            }
        }

        @Test("At the deadline a call is answered DEADLINE_EXCEEDED and its service is told")
        func deadline() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let start = ContinuousClock.now
                let answer = try client.call("/t.T/Hold", [1], [("grpc-timeout", "100m")])
                #expect(answer.grpcStatus == 4)
                #expect(start.duration(to: .now) >= .milliseconds(100))
                #expect(test.service.cancelled == 1)
                let chat = client.open("/t.T/Chat", [("grpc-timeout", "50m")])
                #expect(try client.finish(chat).grpcStatus == 4)
                #expect(test.service.cancelled == 2)
                let stalled = client.open("/t.T/Hold", [("grpc-timeout", "50m")])
                #expect(try client.finish(stalled).grpcStatus == 4)
                #expect(try client.call("/t.T/Echo", [4], [("grpc-timeout", "9S")]).grpcStatus == 0)
                #expect(try client.call("/t.T/Echo", [4], [("grpc-timeout", "x")]).grpcStatus == 13)
            }
        }

        @Test("A drain ends open streams in order, refuses new calls, and closes")
        func drain() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let idle = try HTTP2Client(port: test.port)
                _ = try idle.call("/t.T/Echo")
                let ticks = client.start("/t.T/Ticks", [])
                try client.run("the first tick") { client.answers[ticks]?.messages.count == 1 }
                let ended = Task { await test.server.shutdown(drainTimeout: .seconds(10)) }
                let answer = try client.finish(ticks)
                #expect(answer.messages.count == 3)
                #expect(answer.grpcStatus == 0)
                try client.waitForClose()
                try idle.waitForClose()
                #expect(client.goAways >= 1)
                // The notice and, a round trip later, the last word.
                #expect(idle.goAways == 2)
                await ended.value
                #expect(throws: ClientFailure.self) { try HTTP2Client(port: test.port) }
            }
        }

        @Test("A drain is bounded: what is still open is answered UNAVAILABLE and told so")
        func drainCut() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let id = client.start("/t.T/Hold", [1])
                try client.run("it is open") { test.service.opened == 1 }
                let ended = Task { await test.server.shutdown(drainTimeout: .milliseconds(200)) }
                #expect(try client.finish(id).grpcStatus == 14)
                await ended.value
                #expect(test.service.cancelled == 1)
                #expect(test.service.events.contains(.drainCut(openCalls: 1)))
            }
        }

        @Test("A sender that watches bufferedBytes goes on when its reader has caught up")
        func writable() async throws {
            try await withServer {
                $0.maximumBufferedBytesPerCall = 1 << 20
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let answer = try client.finish(client.start("/t.T/Flood", []))
                #expect(answer.grpcStatus == 0)
                #expect(test.service.writable == 5)
                #expect(answer.body.count > 1 << 20)
                #expect(test.service.cancelled == 0)
            }
        }

        @Test("A call that queues more than the cap for a slow reader is cancelled")
        func overflow() async throws {
            try await withServer { test in
                let client = try HTTP2Client(port: test.port)
                let answer = try client.finish(client.start("/t.T/Overflow", []))
                #expect(answer.errorCode == 11)
                #expect(test.service.cancelled == 1)
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
            }
        }

        @Test("An idle client that answers pings stays connected; a silent one is closed (C7)")
        func pings() async throws {
            try await withServer {
                $0.pingIntervalSeconds = 1
            } _: { test in
                let client = try HTTP2Client(port: test.port)
                let silent = try RawPeer(port: test.port)
                try client.run("three pings") { client.pings == 3 }
                #expect(try client.call("/t.T/Echo", [4]).messages == [[4]])
                try silent.waitForClose()
                let silences = test.service.events.count { event in
                    if case .silentPeer = event { return true }
                    return false
                }
                #expect(silences == 1)
            }
        }

        @Test("Frames around real work are free: two pings a message never add up to a flood")
        func honestChatter() async throws {
            try await withServer {
                $0.maximumIdleFrames = 100
            } _: { test in
                let peer = try RawPeer(port: test.port)
                peer.send(RawPeer.open("/t.T/Chat", stream: 1))
                let message = RawPeer.frame(0, flags: 0, stream: 1, [0, 0, 0, 0, 1, 7])
                let ping = RawPeer.frame(6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
                // In steps: more than 1,000 pings in one read would be a flood by another limit.
                for step in 1...20 {
                    for _ in 0..<100 { #expect(peer.send(message + ping + ping)) }
                    try eventually("the pings are answered") {
                        peer.receive()
                        return peer.frameTypes.count { $0 == 6 } == 200 * step
                    }
                }
                #expect(test.service.hostileReasons.isEmpty)
            }
        }

        @Test(
            "Connections beyond the limit are closed at once, and served again when there is room")
        func connectionLimit() async throws {
            try await withServer {
                $0.maximumConnections = 2
            } _: { test in
                let first = try HTTP2Client(port: test.port)
                _ = try first.call("/t.T/Echo")
                try {
                    let second = try HTTP2Client(port: test.port)
                    _ = try second.call("/t.T/Echo")
                    for _ in 0..<40 { try RawPeer(port: test.port).waitForClose() }
                    #expect(test.server.openConnections == 2)
                }()
                try eventually("the second is gone") { test.server.openConnections == 1 }
                try test.expectServes()
                let events = test.service.events
                #expect(events.contains(.connectionRefused(limit: 2)))
                #expect(events.count < 30)
            }
        }
    }
}
