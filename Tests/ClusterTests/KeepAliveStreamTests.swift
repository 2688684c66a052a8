import ClusterHarness
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LatchAPI
import LatchClient
import SwiftProtobuf
import Testing

@Suite("latchd.v1: KeepAlive streams")
struct KeepAliveStreamTests {
    /// A stream to send beats on; `body` sends, and looks at what comes back.
    private func withStream<Result: Sendable>(
        _ connection: NodeConnection,
        _ body: (
            AsyncStream<Latchd_V1_KeepAliveRequest>.Continuation,
            Received<Latchd_V1_KeepAliveResponse>
        ) async throws -> Result
    ) async throws -> Result {
        let (beats, sender) = AsyncStream.makeStream(of: Latchd_V1_KeepAliveRequest.self)
        let received = Received<Latchd_V1_KeepAliveResponse>()
        let stub = connection.latchV1
        let task = Task {
            do {
                try await stub.keepAlive { writer in
                    for await beat in beats { try await writer.write(beat) }
                } onResponse: { response in
                    for try await message in response.messages { received.note(message) }
                }
                received.finish(.success(()))
            } catch {
                received.finish(.failure(error))
            }
        }
        defer { task.cancel() }
        return try await body(sender, received)
    }

    @Test("300 sessions on one stream, in order; a closed one is lost; half close ends it")
    func manySessions() async throws {
        try await onEveryNode("v1-keepalive") { connection, name in
            let caller = LatchV1Caller(connection, name)
            var sessions: [Latchd_V1_Session] = []
            for _ in 0..<300 { sessions.append(try await caller.open(ttl: 20_000)) }
            _ = try await connection.latchV1.closeSession(.with { $0.session = sessions[7] })
            let all = sessions
            try await withStream(connection) { sender, received in
                for number in 1...5 {
                    sender.yield(
                        .with {
                            $0.sequence = UInt64(number)
                            $0.sessions = all
                        })
                }
                try await received.wait("the fifth answer") { $0.sequence == 5 }
                #expect(received.messages.map(\.sequence) == [1, 2, 3, 4, 5])
                for answer in received.messages {
                    #expect(answer.sessions.map(\.sessionID) == all.map(\.id))
                    for (position, life) in answer.sessions.enumerated() {
                        #expect(life.state == (position == 7 ? .lost : .alive))
                        #expect(life.validForMs == (position == 7 ? 0 : 19_980))
                    }
                }
                sender.finish()
                try await #expect(received.waitForEnd() == nil)
            }
        }
    }

    @Test("A beat says which token its session holds, and after an eviction that it is over")
    func holding() async throws {
        try await onEveryNode("v1-holding") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let (one, two) = (try await caller.open(), try await caller.open())
            let joined = try await caller.joinOnce(one, "one")
            _ = try await caller.joinOnce(two, "two")
            try await withStream(connection) { sender, received in
                func beat(_ number: UInt64) async throws -> [Latchd_V1_SessionLife] {
                    sender.yield(
                        .with {
                            $0.sequence = number
                            $0.sessions = [one, two]
                        })
                    return try await received.wait("an answer") { $0.sequence == number }.sessions
                }
                let before = try await beat(1)
                #expect(before.map(\.fencingToken) == [joined.fencingToken, 0])
                #expect(before.map(\.term) == [joined.term, 0])
                #expect(before.allSatisfy { $0.index >= joined.index && $0.state == .alive })
                let evicted = try await caller.stub.evict(
                    .with {
                        $0.latch = caller.latch
                        $0.participant = "one"
                        $0.fencingToken = joined.fencingToken
                    })
                let after = try await beat(2)
                #expect(after.map(\.fencingToken) == [0, evicted.state.fencingToken])
                #expect(after.map(\.cause) == [.evicted, .unspecified])
                #expect(after.allSatisfy { $0.index >= evicted.index && $0.state == .alive })
                sender.finish()
                try await #expect(received.waitForEnd() == nil)
            }
        }
    }

    @Test("More than 1000 sessions in one request are refused, and so is one without an id")
    func refused() async throws {
        try await onEveryNode("v1-beats") { connection, name in
            let caller = LatchV1Caller(connection, name)
            let session = try await caller.open()
            try await withStream(connection) { sender, received in
                sender.yield(
                    .with { $0.sessions = [Latchd_V1_Session](repeating: session, count: 1_001) })
                try await #expect(received.waitForEnd()?.code == .invalidArgument)
            }
            try await withStream(connection) { sender, received in
                sender.yield(.with { $0.sessions = [.with { $0.latch = caller.latch }] })
                try await #expect(received.waitForEnd()?.code == .invalidArgument)
            }
        }
    }
}

extension FailoverTests {
    @Suite("latchd.v1 while nodes die and freeze", .serialized)
    struct LatchV1Failover {
        @Test("Without a quorum sessions are in jeopardy, not lost; with one they are alive again")
        func jeopardy() async throws {
            try await TestCluster.withCluster { cluster in
                try await NodeConnection.with(endpoint: cluster.endpoint(of: 1)) { connection in
                    let caller = LatchV1Caller(connection, "jeopardy")
                    let session = try await caller.open(ttl: 30_000)
                    for id in [2, 3] { await cluster.signal(id, SIGSTOP) }
                    let start = ContinuousClock.now
                    let inJeopardy = try await beat(connection, session)
                    #expect(inJeopardy.state == .jeopardy)
                    #expect(ContinuousClock.now - start < .seconds(4))
                    for id in [2, 3] { await cluster.signal(id, SIGCONT) }
                    let after = try await eventually("a decision") {
                        let life = try await beat(connection, session)
                        return life.state == .jeopardy ? nil : life
                    }
                    #expect(after.state == .alive)
                }
            }
        }

        private func beat(
            _ connection: NodeConnection, _ session: Latchd_V1_Session
        ) async throws -> Latchd_V1_SessionLife {
            try await connection.latchV1.keepAlive { writer in
                try await writer.write(.with { $0.sessions = [session] })
            } onResponse: { response in
                var lives: [Latchd_V1_SessionLife] = []
                for try await message in response.messages { lives += message.sessions }
                return try #require(lives.first)
            }
        }

        @Test("A Join goes on at another node after a kill, with its place and its request id")
        func resume() async throws {
            try await TestCluster.withCluster { cluster in
                let leader = try await cluster.leader()
                let others = cluster.ids.filter { $0 != leader }
                let (one, two, observed) = try await NodeConnection.with(
                    endpoint: cluster.endpoint(of: leader)
                ) { connection in
                    let caller = LatchV1Caller(connection, "resume")
                    let (one, two) = (try await caller.open(), try await caller.open())
                    _ = try await caller.joinOnce(one, "one", requestID: 1)
                    _ = try await caller.joinOnce(two, "two", requestID: 1)
                    let observed = try await caller.observe { stream in
                        try await stream.wait("the queue") { $0.state.participants.count == 2 }
                    }
                    return (one, two, observed)
                }
                await cluster.kill(leader)
                _ = try await cluster.leader(except: [leader])
                try await NodeConnection.with(endpoint: cluster.endpoint(of: others[0])) { here in
                    try await NodeConnection.with(endpoint: cluster.endpoint(of: others[1])) {
                        there in
                        let (caller, other) = (
                            LatchV1Caller(here, "resume"), LatchV1Caller(there, "resume")
                        )
                        try await caller.join(two, "two", requestID: 1) { stream in
                            let place = try await stream.wait("its place") { _ in true }
                            #expect(place.state == .queued && place.position == 1)
                            #expect(place.participants == 2)
                            _ = try await other.stub.leave(
                                .with {
                                    $0.session = one
                                    $0.participant = "one"
                                    $0.requestID = 2
                                })
                            try await stream.wait("a grant") { $0.state == .holding }
                        }
                        try await other.observe(
                            afterToken: observed.state.fencingToken, afterIndex: observed.index
                        ) { stream in
                            try await stream.wait("the next term") {
                                $0.terms.last?.holder == "two"
                            }
                            #expect(stream.messages.allSatisfy { $0.index >= observed.index })
                        }
                    }
                }
            }
        }
    }
}

@Suite("Reflection, as tools use it")
struct ReflectionContractTests {
    @Test("It lists the services and describes them, and go on after an error")
    func reflection() async throws {
        try await onEveryNode("reflection") { connection, _ in
            let answers = try await connection.reflection.serverReflectionInfo { writer in
                try await writer.write(.with { $0.listServices = "" })
                try await writer.write(.with { $0.fileContainingSymbol = "no.Such" })
                try await writer.write(
                    .with { $0.fileContainingSymbol = "latchd.v1.LatchService" })
            } onResponse: { response in
                var all: [Grpc_Reflection_V1_ServerReflectionResponse] = []
                for try await message in response.messages { all.append(message) }
                return all
            }
            #expect(answers.count == 3)
            #expect(
                answers[0].listServicesResponse.service.map(\.name).contains(
                    "latchd.v1.LatchService"))
            #expect(answers[1].errorResponse.errorCode == 5)
            #expect(answers[2].fileDescriptorResponse.fileDescriptorProto.count == 1)
        }
    }

    @Test("A request longer than any name is refused, and not said back")
    func tooLong() async throws {
        try await onEveryNode("reflection") { connection, _ in
            let error = try await failure {
                try await connection.reflection.serverReflectionInfo { writer in
                    try await writer.write(
                        .with { $0.fileContainingSymbol = String(repeating: "x", count: 5_000) })
                } onResponse: { response in
                    for try await _ in response.messages {}
                }
            }
            #expect(error.code == .invalidArgument)
        }
    }
}
