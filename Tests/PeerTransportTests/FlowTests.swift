import LocalMachine
import NIOCore
import PeerTransport
import RaftCore
import Testing

@Suite("Slow peers and large transfers", .serialized)
struct FlowTests {
    @Test("a peer that does not read costs a bounded queue; then the newest heartbeat wins (N9)")
    func stoppedReader() async throws {
        let frozen = try await FrozenPeer.start(readsOn: false)
        let port = FreePorts.takeOne()
        let one = configuration(
            1, port: 0, peers: [(2, frozen.port), (3, port)], linkTimeout: 60_000
        ) { $0.maximumQueuedBytesPerPeer = 256 << 10 }
        let three = configuration(3, port: port, peers: [(1, 1)])
        try await withNodes([three, one]) { nodes in
            let (three, one) = (nodes[0], nodes[1])
            #expect(await eventually { one.saw(.linkUp(ServerID(2))) })
            #expect(await eventually { one.saw(.linkUp(three.id)) })
            let block = entries(
                after: 1, payload: [UInt8](repeating: 1, count: 32 << 10), from: 1)
            let accepted = try await fill(ServerID(2), with: block, from: one)
            let beats = (1...9).map { heartbeat(commit: $0, from: 1) }
            try await one.sendAll(beats, to: ServerID(2))
            // Others are unaffected.
            try await one.sendAll([beats[0]], to: three.id)
            #expect(await eventually { three.frames == [beats[0]] })

            try await frozen.thaw()
            let expected = [PeerFrame](repeating: block, count: accepted) + [beats[8]]
            _ = try await eventually { try frozen.frames().count >= expected.count }
            let arrived = try frozen.frames()
            #expect(arrived == expected)
            // And there is room again.
            try await one.sendAll([block], to: ServerID(2))
        }
        await frozen.stop()
    }

    /// Sends until there is no more room; tells how many frames were taken.
    private func fill(
        _ server: ServerID, with frame: PeerFrame, from node: TestNode
    ) async throws -> Int {
        for count in 0..<1_000 {
            let queued = try await node.send([frame], to: server)
            if queued == 0 { return count }
        }
        Issue.record("the queue has no bound")
        return 1_000
    }

    @Test("within one batch, too, the queue is bounded and the newest heartbeat is kept (N9)")
    func oneBatch() async throws {
        try await withPair(configure: { $0.maximumQueuedBytesPerPeer = 64 << 10 }) { one, two in
            let block = entries(after: 1, payload: [UInt8](repeating: 1, count: 20 << 10), from: 1)
            let beats = [heartbeat(commit: 1, from: 1), heartbeat(commit: 2, from: 1)]
            let blocks = [PeerFrame](repeating: block, count: 10)
            let queued = try await one.send(blocks + beats, to: two.id)
            #expect(queued == 2 + 2)
            #expect(await eventually { two.frames == [block, block, beats[1]] })
        }
    }

    @Test("a frame over the limit is dropped and the link lives on")
    func overLimit() async throws {
        try await withPair(configure: { $0.maximumFrameBytes = 1_000 }) { one, two in
            let large = entries(after: 1, payload: [UInt8](repeating: 1, count: 2_000), from: 1)
            let small = heartbeat(commit: 1, from: 1)
            let queued = try await one.send([large, small], to: two.id)
            #expect(queued == 1)
            #expect(await eventually { two.frames == [small] })
        }
    }

    @Test("snapshot chunks do not delay heartbeats: they have their own connection (N20)")
    func snapshots() async throws {
        try await withPair { one, two in
            let chunk = [UInt8](repeating: 3, count: 1 << 20)
            let total = UInt64(chunk.count) * 4
            let chunks = (0..<UInt64(4)).map {
                snapshotChunk(chunk, offset: $0 << 20, total: total, from: 1)
            }
            try await one.sendAll(chunks + [heartbeat(commit: 1, from: 1)], to: two.id)
            #expect(await eventually { two.frames.count == 5 })
            // Sent last, on a connection that was up already: it does not wait for 4 MiB.
            #expect(two.frames.first == heartbeat(commit: 1, from: 1))
            #expect(two.frames.filter { chunks.contains($0) } == chunks)
        }
    }

    @Test("an idle snapshot connection is closed, and opened again for the next chunk")
    func idleSnapshotConnection() async throws {
        try await withPair(linkTimeout: 400, configure: { $0.snapshotIdleMilliseconds = 100 }) {
            one, two in
            for number in 1...2 {
                try await one.sendAll(
                    [snapshotChunk([1], offset: 0, total: 1, from: 1)], to: two.id)
                #expect(await eventually { two.frames.count == number })
                let isOpen = try await one.onLoop { $0.isConnected(ServerID(2), by: .snapshot) }
                #expect(isOpen)
                let isClosed = try await eventually {
                    try await one.onLoop { !$0.isConnected(ServerID(2), by: .snapshot) }
                }
                #expect(isClosed)
            }
            #expect(!one.saw(.linkDown(two.id)))
        }
    }

    @Test("nothing is queued for a peer without a link, nor for one that is no member")
    func noLink() async throws {
        let port = FreePorts.takeOne()
        try await withNodes([configuration(1, port: 0, peers: [(2, port)])]) { nodes in
            for server in [ServerID(2), ServerID(9)] {
                let queued = try await nodes[0].send(
                    [
                        heartbeat(commit: 1, from: 1),
                        snapshotChunk([], offset: 0, total: 0, from: 1),
                    ],
                    to: server)
                #expect(queued == 0)
            }
        }
    }
}
