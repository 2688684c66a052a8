import GRPCEdge
import LatchAPI
import Synchronization
import Testing

@testable import LatchClient

@Suite("A participation, and what a node may answer to it")
struct ParticipationTests {
    @Test(
        "the place once taken, a final status breaks the stream only; the session's end is the end")
    func finalStatus() async throws {
        try await ScriptedNode.with { number in
            switch number {
            case 2: .cut(token: 5, .permissionDenied)
            case 3: .refused(.failedPrecondition, reason: nil)
            case 4: .refused(.invalidArgument, reason: "invalid")
            case 5: .refused(.notFound, reason: "no-such-latch")
            default: .holding(token: 5)
            }
        } _: { node, client in
            let hold = try await client.hold("a")
            try await eventually("the stream is opened again") { !node.seen.openJoins.isEmpty }
            #expect(node.seen.joins.map(\.requestID) == [1, 1, 1, 1, 1, 1])
            #expect(node.seen.joins.map(\.noWait) == [true, false, false, false, false, false])
            #expect(hold.grant?.fencingToken == 5)
            node.endJoins(.failedPrecondition, reason: "unknown-session")
            try await eventually("the end") { hold.state == .lost(.sessionEnded) }
            #expect(node.seen.joins.count == 6)
        }
    }

    @Test("a refusal that is the answer to the request id is tried again under the next one")
    func spentRequestID() async throws {
        try await ScriptedNode.with { number in
            switch number {
            case 1: .refused(.resourceExhausted, reason: "limit")
            case 2: .refused(.unavailable, reason: "outcome-unknown")
            case 3: .refused(.resourceExhausted, reason: "overloaded")
            case 4: .refused(.resourceExhausted, reason: "limit")
            // The place is taken under 3: what would come under 4 is a second one.
            case 6: .refused(.resourceExhausted, reason: "limit")
            default: .holding(token: 5)
            }
        } _: { node, client in
            let hold = try await client.hold("a")
            try await eventually("the stream is open") { !node.seen.openJoins.isEmpty }
            #expect(node.seen.joins.map(\.requestID) == [1, 2, 2, 2, 3, 3, 3])
            try await hold.leave()
        }
    }

    @Test("a beat ends a token, and begins the next one, while the Join stream tells nothing")
    func beatsTell() async throws {
        try await ScriptedNode.with { _ in
            .holding(token: 50)
        } _: { node, client in
            var configuration = Latch.Configuration()
            configuration.ttl = .seconds(3)
            let latch = try Latch("a", on: client, configuration: configuration)
            let running = Task { try await latch.run() }
            try await eventually("it holds") { !node.seen.openJoins.isEmpty && latch.grant != nil }
            let first = try #require(latch.grant)
            // Of an index before the grant it says nothing.
            node.setLife { $0.index = 49 }
            let beats = node.seen.beats
            try await eventually("two beats") { node.seen.beats >= beats + 2 }
            #expect(first.isValid)
            node.setLife {
                $0.index = 60
                $0.cause = .evicted
            }
            try await eventually("it is told") { latch.state == .lost(.evicted) }
            #expect(!first.isValid)
            // The place of an older index than the beat's is told all the same.
            node.say {
                $0.state = .queued
                $0.position = 2
                $0.index = 55
            }
            try await eventually("it waits") { latch.state == .queued(position: 2) }
            node.setLife {
                $0.index = 70
                $0.cause = .unspecified
                $0.fencingToken = 70
                $0.term = 3
            }
            try await eventually("it holds again") { latch.grant?.fencingToken == 70 }
            #expect(latch.grant?.term == 3)
            #expect(node.seen.joins.count == 2)
            running.cancel()
            try await running.value
        }
    }

    @Test("a leave that failed can be repeated, and one that succeeded is not")
    func leaveAgain() async throws {
        try await ScriptedNode.with { _ in
            .holding(token: 5)
        } _: { node, client in
            let hold = try await client.hold("a", ttl: .seconds(30))
            let grant = try #require(hold.grant)
            node.refuseCloses(true)
            await #expect(throws: LatchError.self) { try await hold.leave() }
            #expect(node.seen.refusedCloses > 0)
            // It has told that it is not in charge, whatever the servers count.
            #expect(!grant.isValid && hold.state == .left)
            node.refuseCloses(false)
            try await hold.leave()
            #expect(node.seen.closes == 1)
            try await hold.leave()
            #expect(node.seen.closes == 1)
        }
    }
}

@Suite("The shutdown of a latch whose work does not end at once")
struct ShutdownPatienceTests {
    /// Runs a latch whose work goes on until it is told to end, whoever cancels it, and asks it to
    /// shut down. `body` gets the grant, and what ends the work.
    private func withStubbornWork(
        ttl: Duration, patience: Duration,
        _ body: (ScriptedNode, Grant, _ endWork: @Sendable () -> Void) async throws -> Void
    ) async throws {
        try await ScriptedNode.with { _ in
            .holding(token: 5)
        } _: { node, client in
            var configuration = Latch.Configuration()
            configuration.ttl = ttl
            configuration.shutdownPatience = patience
            let (mayEnd, endWork) = AsyncStream<Void>.makeStream()
            let latch = try Latch("a", on: client, configuration: configuration) { _ in
                // A task of its own, which is not cancelled.
                await Task { for await _ in mayEnd {} }.value
            }
            let running = Task { try await latch.run() }
            try await eventually("it holds") { latch.grant != nil }
            let grant = try #require(latch.grant)
            running.cancel()
            do {
                try await body(node, grant) { endWork.finish() }
            } catch {
                endWork.finish()
                throw error
            }
            try await running.value
            #expect(latch.state == .idle)
            #expect(node.seen.closes == 1)
        }
    }

    @Test("within its patience it is kept alive until the work has ended, and then left")
    func patient() async throws {
        try await withStubbornWork(ttl: .seconds(6), patience: .seconds(60)) {
            node, grant, endWork in
            let beats = node.seen.beats
            try await eventually("two more beats") { node.seen.beats >= beats + 2 }
            #expect(grant.isValid)
            #expect(node.seen.closes == 0)
            endWork()
        }
    }

    @Test("past its patience nothing is renewed: the grant is over after the TTL, not left before")
    func impatient() async throws {
        try await withStubbornWork(ttl: .seconds(2), patience: .milliseconds(100)) {
            node, grant, endWork in
            try await eventually("the deadline passes") { !grant.isValid }
            let beats = node.seen.beats
            #expect(node.seen.closes == 0)
            endWork()
            try await eventually("it is left") { node.seen.closes == 1 }
            #expect(node.seen.beats == beats)
        }
    }
}
