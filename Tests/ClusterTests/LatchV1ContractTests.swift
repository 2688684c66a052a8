import ClusterHarness
import GRPCCore
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("latchd.v1: the calls of participants, operators and observers")
struct LatchV1ContractTests {
    @Test("Join queues, Leave passes on, the next one holds with a higher token")
    func queue() async throws {
        try await onEveryNode("v1-queue") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let (one, two) = (try await caller.open(), try await caller.open())
            try await caller.join(one, "one", requestID: 1) { first in
                let held = try await first.wait("a grant") { $0.state == .holding }
                #expect(held.position == 0 && held.term == 1 && held.fencingToken > 0)
                try await caller.join(two, "two", requestID: 1) { second in
                    try await second.wait("a place") { $0.state == .queued && $0.position == 1 }
                    try await first.wait("news of it") { $0.participants == 2 }
                    let left = try await caller.stub.leave(
                        .with {
                            $0.session = one
                            $0.participant = "one"
                            $0.requestID = 2
                        })
                    #expect(left.state.holder == "two")
                    #expect(left.state.sessionIds == [two.id])
                    let next = try await second.wait("a grant") { $0.state == .holding }
                    #expect(next.fencingToken > held.fencingToken)
                    #expect(next.term == 2)
                    let out = try await first.wait("its end") { $0.state == .out }
                    #expect(out.cause == .resigned)
                    try await #expect(first.waitForEnd() == nil)
                }
            }
        }
    }

    @Test("A participant whose session ends while it waits is told unknown-session (pain 1)")
    func queuedSessionEnds() async throws {
        try await onEveryNode("v1-zombie") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let (one, two) = (try await caller.open(), try await caller.open(ttl: 600))
            _ = try await caller.joinOnce(one, "holder")
            try await caller.join(two, "zombie") { stream in
                try await stream.wait("a place") { $0.state == .queued }
                // Not renewed: it expires.
                try await stream.wait("its end") { $0.state == .out }
                let error = try await stream.waitForEnd()
                #expect(error?.code == .failedPrecondition)
                #expect(error?.reason == "unknown-session")
            }
            let again = try await failure { _ = try await caller.joinOnce(two, "zombie") }
            #expect(again.reason == "unknown-session")
        }
    }

    @Test("A holder that hands over waits; an operator needs the token; strangers are refused")
    func handOver() async throws {
        try await onEveryNode("v1-handover") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let (one, two) = (try await caller.open(), try await caller.open())
            let token = try await caller.joinOnce(one, "one").fencingToken
            _ = try await caller.joinOnce(two, "two")
            let handed = try await caller.stub.handOver(
                .with {
                    $0.session = one
                    $0.fencingToken = token
                    $0.to = "two"
                })
            #expect(handed.state.participants == ["two", "one"])
            #expect(handed.state.fencingToken > token)
            let stranger = try await failure {
                _ = try await caller.stub.handOver(
                    .with {
                        $0.session = one
                        $0.fencingToken = handed.state.fencingToken
                        $0.to = "one"
                    })
            }
            #expect(stranger.code == .failedPrecondition && stranger.reason == "token-moved")
            let nobody = try await failure {
                _ = try await caller.stub.handOver(
                    .with {
                        $0.latch = caller.latch
                        $0.fencingToken = handed.state.fencingToken
                        $0.to = "nobody"
                    })
            }
            #expect(nobody.code == .notFound && nobody.reason == "no-such-participant")
            let back = try await caller.stub.handOver(
                .with {
                    $0.latch = caller.latch
                    $0.fencingToken = handed.state.fencingToken
                    $0.to = "one"
                })
            #expect(back.state.holder == "one")
            let terms = try await caller.stub.history(.with { $0.latch = caller.latch }).terms
            #expect(terms.map(\.holder) == ["one", "two", "one"])
            #expect(terms.map(\.began.cause) == [.joined, .handedOver, .handedOver])
            #expect(terms[1].overlapBoundMs == 0 && terms[2].overlapBoundMs > 0)
        }
    }

    @Test("Evict ends the Join of who is thrown out; its session goes on")
    func evict() async throws {
        try await onEveryNode("v1-evict") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let session = try await caller.open()
            try await caller.join(session, "one") { stream in
                let token = try await stream.wait("a grant") { $0.state == .holding }.fencingToken
                let stale = try await failure {
                    _ = try await caller.stub.evict(
                        .with {
                            $0.latch = caller.latch
                            $0.participant = "one"
                            $0.fencingToken = token + 1
                        })
                }
                #expect(stale.reason == "token-moved")
                let state = try await caller.stub.evict(
                    .with {
                        $0.latch = caller.latch
                        $0.participant = "one"
                        $0.sessionID = session.id
                        $0.fencingToken = token
                    }
                ).state
                #expect(!state.hasHolder)
                let out = try await stream.wait("its end") { $0.state == .out }
                #expect(out.cause == .evicted)
                try await #expect(stream.waitForEnd() == nil)
            }
            try await #expect(caller.joinOnce(session, "one").state == .holding)
        }
    }

    @Test("What the holder publishes is seen by all, under its token, until the latch passes on")
    func publish() async throws {
        try await onEveryNode("v1-publish") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let session = try await caller.open()
            let token = try await caller.joinOnce(session, "one").fencingToken
            try await caller.observe { stream in
                try await stream.wait("the state") { $0.state.holder == "one" }
                _ = try await caller.stub.publish(
                    .with {
                        $0.session = session
                        $0.fencingToken = token
                        $0.value = "10.0.0.7:80"
                    })
                try await stream.wait("the value") { $0.state.value == "10.0.0.7:80" }
            }
            let wrong = try await failure {
                _ = try await caller.stub.publish(
                    .with {
                        $0.session = session
                        $0.fencingToken = token + 1
                    })
            }
            #expect(wrong.reason == "token-moved")
            _ = try await caller.stub.leave(
                .with {
                    $0.session = session
                    $0.participant = "one"
                })
            let latch = try await connection.cluster.getLatch(
                .with {
                    $0.namespace = "v1"
                    $0.name = name
                })
            #expect(latch.latch.state.value.isEmpty && !latch.hasAgeMs)
            let stale = try await connection.cluster.getLatch(
                .with {
                    $0.namespace = "v1"
                    $0.name = name
                    $0.stale = true
                })
            #expect(stale.hasAgeMs && stale.index >= latch.index)
        }
    }

    @Test("CheckToken: current, outdated, unknown; of a latch that is not, unknown")
    func checkToken() async throws {
        try await onEveryNode("v1-check") { connection, name in
            let caller = LatchV1Caller(connection, name)
            func verdict(_ token: UInt64) async throws -> Latchd_V1_TokenVerdict {
                try await caller.stub.checkToken(
                    .with {
                        $0.latch = caller.latch
                        $0.fencingToken = token
                    }
                ).verdict
            }
            try await #expect(verdict(1) == .unknown)
            let session = try await caller.open()
            let first = try await caller.joinOnce(session, "one").fencingToken
            try await #expect(verdict(first) == .current)
            _ = try await caller.stub.leave(
                .with {
                    $0.session = session
                    $0.participant = "one"
                })
            try await #expect(verdict(first) == .outdated)
            let second = try await caller.joinOnce(session, "two").fencingToken
            try await #expect(verdict(second) == .current)
            try await #expect(verdict(first) == .outdated)
            try await #expect(verdict(second + 1) == .unknown)
        }
    }

    @Test("Observe: the state at once, heartbeats, and on another node every term after a token")
    func observe() async throws {
        let cluster = try await SharedCluster.get()
        try await NodeConnection.withEach(of: cluster.endpoints) { connections in
            let caller = LatchV1Caller(connections[0], "v1-observe")
            let session = try await caller.open()
            let seen = try await caller.observe(heartbeat: 100) { stream in
                let first = try await stream.wait("the state") { _ in true }
                #expect(first.hasState && !first.state.hasHolder && first.terms.isEmpty)
                try await stream.wait("a heartbeat") { $0.heartbeat && $0.hasState }
                _ = try await caller.joinOnce(session, "p0")
                return try await stream.wait("the term") { $0.terms.last?.holder == "p0" }
            }
            for number in 0..<5 {
                _ = try await caller.stub.leave(
                    .with {
                        $0.session = session
                        $0.participant = "p\(number)"
                    })
                _ = try await caller.joinOnce(session, "p\(number + 1)")
            }
            let token = try #require(seen.terms.last?.fencingToken)
            for connection in connections {
                let other = LatchV1Caller(connection, "v1-observe")
                try await other.observe(afterToken: token, afterIndex: seen.index) { stream in
                    try await stream.wait("the newest") { $0.terms.last?.holder == "p5" }
                    let terms = stream.messages.flatMap(\.terms)
                    #expect(stream.messages.allSatisfy { !$0.reset })
                    // The one that was open comes again, ended; then every other, once begun.
                    let begun = terms.map(\.holder)
                    #expect(Set(begun) == ["p0", "p1", "p2", "p3", "p4", "p5"])
                    #expect(terms.first { $0.holder == "p0" }?.hasEnded == true)
                }
            }
        }
    }

    @Test("Requests that are not well formed are INVALID_ARGUMENT and say what is wrong")
    func malformed() async throws {
        try await onEveryNode("v1-malformed") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let session = try await caller.open()
            let calls: [(String, () async throws -> Void)] = [
                ("latch is missing", { _ = try await caller.stub.openSession(.init()) }),
                ("session is missing", { _ = try await caller.stub.closeSession(.init()) }),
                ("participant is empty", { _ = try await caller.joinOnce(session, "") }),
                (
                    "participant has 1025 bytes",
                    {
                        let long = String(repeating: "x", count: 1_025)
                        _ = try await caller.joinOnce(session, long)
                    }
                ),
                (
                    "fencing_token is 0",
                    { _ = try await caller.stub.publish(.with { $0.session = session }) }
                ),
                (
                    "heartbeat_ms is 5",
                    {
                        try await caller.stub.observe(
                            .with {
                                $0.latch = caller.latch
                                $0.heartbeatMs = 5
                            }
                        ) { for try await _ in $0.messages {} }
                    }
                ),
            ]
            for (words, call) in calls {
                let error = try await failure(call)
                #expect(error.code == .invalidArgument)
                #expect(error.message.contains(words), "\(error.message)")
                #expect(error.reason == "invalid")
            }
        }
    }
}
