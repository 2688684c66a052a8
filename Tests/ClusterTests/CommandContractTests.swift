import ClusterHarness
import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("Command contract (Q rows and the latch itself)")
struct CommandContractTests {
    @Test(
        "Q1: the same request id again gets the same answer byte for byte and is not applied again")
    func retry() async throws {
        try await onEveryNode("q1") { connection, name in
            let caller = LatchCaller(connection, name: name)
            let other = LatchCaller(connection, name: name)
            try await caller.create()
            try await other.create()
            let first = try await caller.latch("p", requestID: 1)
            try await other.latch("q")
            let second = try await caller.latch("p", requestID: 1)
            #expect(try first.serializedData() == second.serializedData())
            #expect(first.header.responseID == 1)
            try await #expect(caller.get(requestID: 1).latch.participants == ["p", "q"])
        }
    }

    @Test("Q1 through another node: a retry that reaches another node is answered the same")
    func retryElsewhere() async throws {
        let cluster = try await SharedCluster.get()
        try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { first in
            let caller = LatchCaller(first, name: "q1-elsewhere")
            try await caller.create()
            let answer = try await caller.latch("p", requestID: 1)
            for id in [2, 3] {
                try await NodeConnection.with(endpoint: cluster.endpoint(of: id)) { other in
                    let again = try await caller.moved(to: other).latch("p", requestID: 1)
                    #expect(try again.serializedData() == answer.serializedData())
                }
            }
        }
    }

    @Test("Q2, Q5: an answer outlives its first acknowledgement, then the id is refused with ERROR")
    func acknowledgedAnswers() async throws {
        try await onEveryNode("q2") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            let first = try await caller.latch("p", requestID: 1)
            try await caller.keepAlive(acknowledging: 1)
            try await #expect(caller.latch("p", requestID: 1) == first)
            try await caller.keepAlive(acknowledging: 1)
            try await caller.keepAlive(acknowledging: 1)
            try await #expect(caller.latch("p", requestID: 1).header.status == .error)
        }
    }

    @Test(
        "A12: the same request id with another body is refused, never answered from the other's answer"
    )
    func sameIdOtherBody() async throws {
        try await onEveryNode("a12") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await caller.latch("p", requestID: 1)
            try await #expect(caller.latch("q", requestID: 1).header.status == .error)
            try await #expect(caller.get(requestID: 1).latch.participants == ["p"])
        }
    }

    @Test("Q3: a command that comes before its predecessor is held, and both are applied in order")
    func gapIsFilled() async throws {
        try await onEveryNode("q3") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            async let second = caller.latch("second", requestID: 2)
            async let secondAgain = caller.latch("second", requestID: 2)
            _ = try await eventually("the second command's arrival") {
                // Nothing shows a held command; its predecessor just comes a little later.
                try await caller.keepAlive(acknowledging: 0).header.status == .ok ? true : nil
            }
            let first = try await caller.latch("first", requestID: 1)
            let (answer, repeated) = try await (second, secondAgain)
            #expect(first.header.status == .ok)
            #expect(answer.latch.participants == ["first", "second"])
            #expect(repeated == answer)
        }
    }

    @Test(
        "Q3: a gap that is never filled ends: held ids get ERROR (gap), a late arrival too, the next id works"
    )
    func gapIsClosed() async throws {
        try await onEveryNode("q3b") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await #expect(caller.latch("p", requestID: 2).header.status == .error)
            try await #expect(caller.latch("p", requestID: 1).header.status == .error)
            let next = try await caller.latch("p", requestID: 3)
            #expect(next.header.status == .ok)
            #expect(next.latch.participants == ["p"])
        }
    }

    @Test("Q4: request id 0 is applied at once, without sequencing")
    func unsequenced() async throws {
        try await onEveryNode("q4") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await #expect(caller.latch("p", requestID: 0).latch.participants == ["p"])
            try await #expect(caller.latch("q", requestID: 0).latch.participants == ["p", "q"])
            try await #expect(
                caller.latch("r", requestID: 1).latch.participants == ["p", "q", "r"])
        }
    }

    @Test("Q6: a keep-alive may list its own pending ids: ids that are not streams are ignored")
    func keepAliveListsOtherIds() async throws {
        try await onEveryNode("q6") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            try await caller.latch("p")
            try await #expect(caller.keepAlive(streams: [(1, 0), (77, 3)]).header.status == .ok)
        }
    }

    @Test(
        "section 5: the oldest participant leads, the term grows exactly when a leader is set, Latch never waits"
    )
    func latchStateMachine() async throws {
        try await onEveryNode("s5") { connection, name in
            let callers = [
                LatchCaller(connection, name: name), LatchCaller(connection, name: name),
            ]
            for caller in callers { try await caller.create() }
            let first = try await callers[0].latch("alice").latch
            #expect((first.id, first.leader, first.participants) == (1, "alice", ["alice"]))
            let second = try await callers[1].latch("bob").latch
            #expect(
                (second.id, second.leader, second.participants) == (1, "alice", ["alice", "bob"]))
            try await callers[0].close()
            let third = try await callers[1].get().latch
            #expect((third.id, third.leader, third.participants) == (2, "bob", ["bob"]))
            try await callers[1].close()
            let watcher = LatchCaller(connection, name: name)
            try await watcher.create()
            let empty = try await watcher.get().latch
            #expect((empty.id, empty.leader, empty.participants) == (2, "", []))
        }
    }

    @Test(
        "decided rule 2: Latch is idempotent per session and participant; another session is a second entry"
    )
    func idempotent() async throws {
        try await onEveryNode("idem") { connection, name in
            let (one, two) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name)
            )
            try await one.create()
            try await two.create()
            try await one.latch("p")
            try await #expect(one.latch("p").latch.participants == ["p"])
            try await #expect(two.latch("p").latch.participants == ["p", "p"])
        }
    }

    @Test("section 6: Get waits for the session's commands up to its request id, but not for ever")
    func getWaitsForCommands() async throws {
        try await onEveryNode("get") { connection, name in
            let caller = LatchCaller(connection, name: name)
            try await caller.create()
            async let read = caller.get(requestID: 1)
            try await caller.latch("p", requestID: 1)
            try await #expect(read.latch.participants == ["p"])
            try await #expect(caller.get(requestID: 9).header.status == .error)
        }
    }

    @Test(
        "a full latch refuses with `limit`, which is that id's answer for ever; a new id gets the free place (A3, Q1)"
    )
    func fullLatch() async throws {
        let cluster = try await SharedCluster.get()
        try await NodeConnection.with(endpoint: cluster.endpoint(of: 2)) { connection in
            let name = "full"
            let (crowd, guest, late) = (
                LatchCaller(connection, name: name), LatchCaller(connection, name: name),
                LatchCaller(connection, name: name)
            )
            for caller in [crowd, guest, late] { try await caller.create() }
            try await guest.latch("guest")
            for number in 2...1_024 { try await crowd.latch("p\(number)") }

            func join(requestID: UInt64) async throws -> String? {
                let request = Atomix_Leader_LatchRequest.with {
                    $0.header = late.header(requestID: requestID)
                    $0.participantID = "late"
                }
                return try await connection.latch.latch(request) { response in
                    let isRefused = try response.message.header.status == .error
                    return isRefused ? response.trailingMetadata.reason : "taken"
                }
            }
            try await #expect(join(requestID: 1) == "limit")
            try await guest.close()
            try await #expect(join(requestID: 1) == "limit")
            try await #expect(join(requestID: 2) == "taken")
        }
    }

    @Test("reads are linearizable on every node: what one node acknowledged the next one shows")
    func readYourWritesAnywhere() async throws {
        let cluster = try await SharedCluster.get()
        try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { one in
            try await NodeConnection.with(endpoint: cluster.endpoint(of: 2)) { two in
                try await NodeConnection.with(endpoint: cluster.endpoint(of: 3)) { three in
                    let caller = LatchCaller(one, name: "linearizable")
                    try await caller.create()
                    let readers = [caller.moved(to: two), caller.moved(to: three), caller]
                    for round in 0..<50 {
                        try await caller.latch("p\(round)", requestID: 0)
                        let seen = try await readers[round % 3].get(requestID: 0).latch.participants
                        #expect(seen.count == round + 1)
                    }
                }
            }
        }
    }
}
