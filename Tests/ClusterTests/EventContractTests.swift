import ClusterHarness
import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("Events contract (E and C rows)")
struct EventContractTests {
    @Test("E1, E2, E3, C3: OPEN_STREAM with response id 1 comes first, then frames without a gap")
    func frameOrder() async throws {
        try await onEveryNode("e1") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await caller.events { frames in
                let open = try await frames.wait(for: 1)[0]
                #expect(open.header.type == .openStream)
                #expect(open.header.status == .ok)
                #expect(open.header.responseID == 1)
                #expect(open.header.streamID == 1)
                #expect(open.header.index > 0)
                #expect(!open.hasLatch)
                for participant in ["a", "b", "c"] { try await caller.latch(participant) }
                let all = try await frames.wait(for: 4)
                #expect(all.map(\.header.responseID) == [1, 2, 3, 4])
                #expect(all.dropFirst().map(\.latch.participants.count) == [1, 2, 3])
                #expect(zip(all, all.dropFirst()).allSatisfy { $0.header.index < $1.header.index })
            }
        }
    }

    @Test(
        "decided rule 4: the first CHANGED comes at once only after a change, or to the holder"
    )
    func firstEvent() async throws {
        try await onEveryNode("rule4") { connection, name in
            let (one, two) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name)
            )
            try await one.create()
            try await two.create()
            try await one.latch("one")
            let answer = try await two.latch("two")
            // The holder itself: at once, with the index of the OPEN_STREAM frame (Clarified f).
            try await one.events { frames in
                let first = try await frames.wait(for: 2)
                #expect(first[1].latch.leader == "one")
                #expect(first[1].header.index == first[0].header.index)
                #expect(first[1].header.responseID == 2)
            }
            // A caller that has seen the newest state: nothing until the next change.
            try await two.events(index: answer.header.index) { frames in
                try await frames.wait(for: 1)
                try await one.close()
                let next = try await frames.wait(for: 2)
                #expect(next[1].latch.leader == "two")
                #expect(next[1].latch.id == 2)
            }
            // A caller that has seen less: at once.
            let late = LatchCaller(connection, name: name)
            try await late.create()
            try await late.events(index: 1) { frames in
                try await #expect(frames.wait(for: 2)[1].latch.leader == "two")
            }
        }
    }

    @Test(
        "E4: re-opening with the same id replays what is not acknowledged, on any node, and ends the old transport"
    )
    func reopen() async throws {
        let cluster = try await SharedCluster.get()
        for (here, there) in [(1, 2), (2, 3), (3, 1), (2, 2)] {
            try await NodeConnection.with(endpoint: cluster.endpoint(of: here)) { first in
                try await NodeConnection.with(endpoint: cluster.endpoint(of: there)) { second in
                    let caller = LatchCaller(first, name: "e4-\(here)-\(there)")
                    try await caller.create()
                    let stream = caller.nextRequestID()
                    try await caller.events(requestID: stream, index: caller.index) { old in
                        try await old.wait(for: 1)
                        for participant in ["a", "b"] { try await caller.latch(participant) }
                        let before = try await old.wait(for: 3)
                        let moved = caller.moved(to: second)
                        try await moved.events(requestID: stream) { new in
                            let replayed = try await new.wait(for: 3)
                            #expect(replayed == before)
                            try await old.waitForEnd()
                            try await caller.latch("c")
                            try await #expect(new.wait(for: 4)[3].header.responseID == 4)
                        }
                        try await caller.keepAlive(streams: [(stream, 4)])
                        try await moved.events(requestID: stream) { third in
                            try await caller.latch("d")
                            try await #expect(third.wait(for: 1)[0].header.responseID == 5)
                        }
                    }
                }
            }
        }
    }

    @Test(
        "E5, E7: a stream that a keep-alive does not list is closed in sequence, and the call ends with OK"
    )
    func unlistedStreamIsClosed() async throws {
        try await onEveryNode("e5") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await caller.events { frames in
                try await frames.wait(for: 1)
                try await caller.latch("p")
                try await frames.wait(for: 2)
                // Not closed: its id is above the acknowledged one (E5), then it is listed.
                try await caller.keepAlive(acknowledging: 0)
                try await caller.keepAlive(streams: [(1, 2)])
                try await caller.latch("q")
                try await frames.wait(for: 3)
                try await caller.keepAlive(streams: [])
                try await frames.waitForEnd()
                #expect(frames.frames.last?.header.type == .closeStream)
                #expect(frames.frames.map(\.header.responseID) == [1, 2, 3, 4])
            }
        }
    }

    @Test("L23: the same event seen through every node has the same index and content")
    func sameEventEverywhere() async throws {
        let cluster = try await SharedCluster.get()
        try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { one in
            try await NodeConnection.with(endpoint: cluster.endpoint(of: 2)) { two in
                try await NodeConnection.with(endpoint: cluster.endpoint(of: 3)) { three in
                    let writer = LatchCaller(one, name: "l23")
                    try await writer.create()
                    var logs: [[Atomix_Leader_Latch]] = []
                    var indexes: [[UInt64]] = []
                    let watchers = try await [one, two, three].asyncMap { connection in
                        let watcher = LatchCaller(connection, name: "l23")
                        try await watcher.create()
                        return watcher
                    }
                    try await watchers[0].events { first in
                        try await watchers[1].events { second in
                            try await watchers[2].events { third in
                                for frames in [first, second, third] {
                                    try await frames.wait(for: 1)
                                }
                                for participant in ["a", "b", "c", "d"] {
                                    try await writer.latch(participant)
                                }
                                for frames in [first, second, third] {
                                    let seen = try await frames.wait(for: 5).dropFirst()
                                    logs.append(seen.map(\.latch))
                                    indexes.append(seen.map(\.header.index))
                                }
                            }
                        }
                    }
                    #expect(logs[0] == logs[1] && logs[1] == logs[2])
                    #expect(indexes[0] == indexes[1] && indexes[1] == indexes[2])
                }
            }
        }
    }

    @Test(
        "section 2: GetPartitionGroups gives one group, one partition, this node first; GetPrimitives lists latches"
    )
    func directory() async throws {
        let cluster = try await SharedCluster.get()
        for id in cluster.ids {
            try await NodeConnection.with(endpoint: cluster.endpoint(of: id)) { connection in
                let caller = LatchCaller(
                    connection, name: "directory-\(id)", namespace: "directory")
                try await caller.create()
                var request = Atomix_Controller_GetPartitionGroupsRequest()
                request.id = .with {
                    $0.name = "raft"; $0.namespace = "kube"
                }
                let groups = try await connection.controller.getPartitionGroups(request).groups
                #expect(groups.count == 1)
                #expect(groups[0].id == request.id)
                #expect(groups[0].hasSpec)
                #expect(groups[0].partitions.count == 1)
                let ports = groups[0].partitions[0].endpoints.map { Int($0.port) }
                #expect(ports.first == cluster.clientPorts[id])
                #expect(Set(ports) == Set(cluster.clientPorts.values))
                let listed = try await connection.primitives.getPrimitives(
                    .with {
                        $0.namespace = "directory"; $0.type = "LeaderLatch"
                    }
                ).primitives
                #expect(
                    listed.contains {
                        $0.name.name == "directory-\(id)" && $0.type == "LeaderLatch"
                    })
                let none = try await connection.primitives.getPrimitives(
                    .with {
                        $0.namespace = "directory"; $0.type = "Map"
                    }
                ).primitives
                #expect(none.isEmpty)
            }
        }
    }

    @Test("grpc.health.v1: every node of a healthy cluster serves; an unknown service is NOT_FOUND")
    func health() async throws {
        try await onEveryNode("health") { connection, _ in
            let status = try await connection.health.check(.init()).status
            #expect(status == .serving)
            let error = await #expect(throws: RPCError.self) {
                _ = try await connection.health.check(.with { $0.service = "no.such.Service" })
            }
            #expect(error?.code == .notFound)
        }
    }
}

extension Array {
    func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result]
    {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
