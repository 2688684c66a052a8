import ClusterHarness
import Foundation
import LatchClient
import Logging
import ServiceLifecycle
import Synchronization
import Testing

/// A value that the tasks of a test share.
private final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: sending Value) { self.value = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        value.withLock { value in
            var copy = value
            let result = body(&copy)
            value = copy
            return result
        }
    }
}

extension FailoverTests {
    /// The Swift library against real nodes that are killed, stopped, and operated.
    @Suite("The Swift library", .serialized, .timeLimit(.minutes(3)))
    struct LatchLibraryTests {
        private static let settings: LatchSettings = {
            var settings = LatchSettings()
            settings.attemptTimeout = .seconds(1)
            return settings
        }()

        /// Runs `body` with a cluster and a client that knows its nodes, the `first` one tried
        /// first.
        private static func withClient(
            _ body: @Sendable (TestCluster, LatchCluster) async throws -> Void
        ) async throws {
            try await TestCluster.withCluster { cluster in
                let client = try LatchCluster(endpoints: cluster.endpoints, settings: settings)
                do {
                    try await body(cluster, client)
                } catch {
                    await client.shutdown()
                    throw error
                }
                await client.shutdown()
            }
        }

        @Test("withLatch: one body at a time, in the order of arrival, tokens only grow")
        func oneAtATime() async throws {
            try await Self.withClient { _, client in
                let inside = Shared(0)
                let tokens = Shared<[UInt64]>([])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<5 {
                        group.addTask {
                            try await client.withLatch("one", ttl: .seconds(5)) { grant in
                                #expect(
                                    inside.withLock { count in
                                        count += 1
                                        return count
                                    } == 1)
                                #expect(grant.isValid && grant.remaining > .seconds(2))
                                tokens.withLock { $0.append(grant.fencingToken) }
                                try await Task.sleep(for: .milliseconds(30))
                                inside.withLock { $0 -= 1 }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                let seen = tokens.withLock { $0 }
                #expect(seen.count == 5)
                #expect(seen == seen.sorted() && Set(seen).count == 5)
                try await #expect(client.latch("one").participants == [])
            }
        }

        @Test("cancelling the caller leaves the queue, and ends a body that runs")
        func cancellation() async throws {
            try await Self.withClient { _, client in
                let hold = try await client.hold("cancel", participant: "holder")
                let waiting = Task {
                    try await client.withLatch("cancel", participant: "waiter") { _ in }
                }
                _ = try await eventually("the waiter waits") {
                    try await client.latch("cancel").participants == ["holder", "waiter"] ? 1 : nil
                }
                waiting.cancel()
                await #expect(throws: CancellationError.self) { try await waiting.value }
                try await #expect(client.latch("cancel").participants == ["holder"])
                try await hold.leave()

                let wasCancelled = Shared(false)
                let running = Task {
                    try await client.withLatch("cancel") { _ in
                        do { try await Task.sleep(for: .seconds(60)) } catch {
                            wasCancelled.withLock { $0 = true }
                            throw error
                        }
                    }
                }
                _ = try await eventually("the body runs") {
                    try await client.latch("cancel").holder
                }
                running.cancel()
                await #expect(throws: CancellationError.self) { try await running.value }
                #expect(wasCancelled.withLock { $0 })
                try await #expect(client.latch("cancel").holder == nil)
            }
        }

        @Test("who waits too long is told, and is out of the queue")
        func waitedTooLong() async throws {
            try await Self.withClient { _, client in
                let hold = try await client.hold("slow")
                let error = await #expect(throws: LatchError.self) {
                    try await client.withLatch("slow", wait: .milliseconds(300)) { _ in }
                }
                #expect(error?.code == .waitedTooLong)
                try await #expect(client.latch("slow").participants.count == 1)
                try await hold.leave()
            }
        }

        @Test("an evicted body is cancelled and says why; a latch that was evicted joins again")
        func evicted() async throws {
            try await Self.withClient { _, client in
                let task = Task {
                    try await client.withLatch("evict", participant: "a") { _ in
                        try await Task.sleep(for: .seconds(60))
                    }
                }
                _ = try await eventually("a holds") { try await client.latch("evict").holder }
                try await client.evict("a", from: "evict")
                let error = await #expect(throws: LatchError.self) { try await task.value }
                #expect(error?.code == .grantLost)
                #expect("\(String(describing: error))".contains("operator"))

                var configuration = Latch.Configuration()
                configuration.participant = "b"
                configuration.rejoin.evictionPause = .milliseconds(200)
                let latch = try Latch("evict", on: client, configuration: configuration)
                try await Self.whileRunning(latch) {
                    var states = latch.states.makeAsyncIterator()
                    let first = try await Self.grant(&states)
                    try await client.evict("b", from: "evict")
                    #expect(await Self.next(&states) { $0 == .lost(.evicted) })
                    #expect(!first.isValid)
                    let second = try await Self.grant(&states)
                    #expect(second.fencingToken > first.fencingToken)
                    let history = try await client.history("evict")
                    #expect(history.terms.compactMap(\.ended?.cause) == [.evicted, .evicted])
                    try await #expect(
                        client.checkToken(first.fencingToken, of: "evict").verdict == .outdated)
                }
            }
        }

        @Test(
            "a hold outlives the node that it goes through, killed or frozen, with the same token",
            arguments: [SIGKILL, SIGSTOP])
        func nodeFails(signal: Int32) async throws {
            try await Self.withClient { cluster, client in
                let holds = try await Self.holds(["kill-1", "kill-2", "kill-3"], client)
                let tokens = try await Self.tokens(of: holds)
                let waiter = try await client.hold("kill-1", participant: "waiter")
                for id in cluster.ids {
                    if signal == SIGKILL {
                        await cluster.kill(id)
                    } else {
                        await cluster.signal(id, signal)
                    }
                    _ = try await cluster.leader(except: [id])
                    let mark = ContinuousClock.now
                    _ = try await eventually("every session is confirmed again") {
                        holds.allSatisfy { $0.deadline > mark + .milliseconds(7_992) } ? true : nil
                    }
                    #expect(holds.map { $0.grant?.fencingToken } == tokens)
                    if signal == SIGKILL {
                        try await cluster.start(id)
                    } else {
                        await cluster.signal(id, SIGCONT)
                    }
                    try await cluster.catchUp(id)
                }
                // The place in the queue was kept too.
                try await holds[0].leave()
                _ = try await eventually("the waiter holds") { waiter.grant }
                for hold in holds.dropFirst() + [waiter] { try await hold.leave() }
            }
        }

        @Test("without a quorum a holder is in jeopardy, and holds on when it comes back in time")
        func jeopardy() async throws {
            try await Self.withClient { cluster, client in
                var configuration = Latch.Configuration()
                configuration.ttl = .seconds(6)
                let latch = try Latch("jeopardy", on: client, configuration: configuration)
                try await Self.whileRunning(latch) {
                    var states = latch.states.makeAsyncIterator()
                    let grant = try await Self.grant(&states)
                    for id in [1, 2] { await cluster.signal(id, SIGSTOP) }
                    #expect(await Self.next(&states) { $0 == .jeopardy(grant) })
                    #expect(grant.isValid)
                    for id in [1, 2] { await cluster.signal(id, SIGCONT) }
                    #expect(await Self.next(&states) { $0 == .holding(grant) })
                    #expect(latch.grant == grant)
                }
            }
        }

        @Test("without a quorum for long the deadline ends the body, and nobody else holds before")
        func quorumLost() async throws {
            try await Self.withClient { cluster, client in
                let grantBox = Shared<Grant?>(nil)
                let task = Task {
                    try await client.withLatch("lost", participant: "a", ttl: .seconds(2)) {
                        grant in
                        grantBox.withLock { $0 = grant }
                        do { try await Task.sleep(for: .seconds(60)) } catch {
                            #expect(!grant.isValid)
                            #expect(ContinuousClock.now >= grant.deadline)
                            throw error
                        }
                    }
                }
                _ = try await eventually("it holds") { grantBox.withLock { $0 } }
                let cut = ContinuousClock.now
                for id in [1, 2] { await cluster.signal(id, SIGSTOP) }
                _ = try await eventually("the grant is over") {
                    grantBox.withLock { $0?.isValid == false ? true : nil }
                }
                #expect(ContinuousClock.now - cut < .milliseconds(2_300))
                for id in [1, 2] { await cluster.signal(id, SIGCONT) }
                let error = await #expect(throws: LatchError.self) { try await task.value }
                #expect(error?.code == .grantLost)
                let next = try await client.withLatch("lost", participant: "b") { $0.fencingToken }
                #expect(next > (grantBox.withLock { $0?.fencingToken } ?? .max))
            }
        }

        @Test("a holder hands over to whom it wants, and becomes the last in line")
        func handOver() async throws {
            try await Self.withClient { _, client in
                let a = try await client.hold("hand", participant: "a")
                let b = try await client.hold("hand", participant: "b")
                let c = try await client.hold("hand", participant: "c")
                let first = try #require(a.grant)
                try await a.publish("10.0.0.1:80")
                try await #expect(client.latch("hand").value == "10.0.0.1:80")
                let nobody = await #expect(throws: LatchError.self) {
                    try await a.handOver(to: "nobody")
                }
                #expect(nobody?.code == .notFound && a.grant == first)
                try await a.handOver(to: "c")
                #expect(!first.isValid && a.grant == nil)
                let second = try await eventually("c holds") { c.grant }
                let after = try await client.latch("hand")
                #expect(after.participants == ["c", "b", "a"])
                #expect(after.value == "")
                _ = try await eventually("a waits") {
                    if case .waiting(position: 3, _) = a.state { true } else { nil }
                }
                let error = await #expect(throws: LatchError.self) {
                    try await client.handOver("hand", fencingToken: first.fencingToken, to: "b")
                }
                #expect(error?.code == .tokenMoved)
                try await client.handOver("hand", fencingToken: second.fencingToken, to: "b")
                _ = try await eventually("b holds") { b.grant }
                _ = try await eventually("c knows") { c.grant == nil ? true : nil }
                for hold in [a, b, c] { try await hold.leave() }
            }
        }

        @Test("on graceful shutdown the work ends, then the next one holds at once")
        func gracefulShutdown() async throws {
            try await Self.withClient { _, client in
                let next = try await Self.runUntilShutdown(client)
                let (ended, heir) = next
                let grant = try await eventually("the heir holds") { heir.grant }
                #expect(grant.isValid)
                #expect(ContinuousClock.now - ended < .seconds(2))
                let terms = try await client.history("graceful").terms
                #expect(terms.first?.ended.map { [.closed, .resigned].contains($0.cause) } == true)
                try await heir.leave()
            }
        }

        private static func runUntilShutdown(
            _ client: LatchCluster
        ) async throws -> (ContinuousClock.Instant, LatchHold) {
            let workEnded = Shared<ContinuousClock.Instant?>(nil)
            let latch = try Latch("graceful", on: client) { grant in
                try? await Task.sleep(for: .seconds(60))
                #expect(grant.isValid)
                workEnded.withLock { $0 = .now }
            }
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: latch)], logger: Logger(label: "test")))
            let running = Task { try await group.run() }
            _ = try await eventually("it holds") { latch.grant }
            let heir = try await client.hold("graceful", participant: "heir", ttl: .seconds(30))
            await group.triggerGracefulShutdown()
            try await running.value
            #expect(latch.state == .idle)
            return (try #require(workEnded.withLock { $0 }), heir)
        }

        @Test("two hundred latches of one client are kept alive over one stream")
        func manyLatches() async throws {
            try await Self.withClient { _, client in
                let names = (0..<200).map { "many-\($0)" }
                let holds = try await Self.holds(names, client)
                let tokens = try await Self.tokens(of: holds)
                #expect(Set(tokens).count == 200)
                let mark = ContinuousClock.now
                _ = try await eventually("every session was renewed twice") {
                    holds.allSatisfy { $0.deadline > mark + .seconds(10) } ? true : nil
                }
                #expect(holds.map { $0.grant?.fencingToken } == tokens)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for hold in holds { group.addTask { try await hold.leave() } }
                    try await group.waitForAll()
                }
            }
        }

        @Test("an observer sees every term while node after node is killed (A5)")
        func observe() async throws {
            try await Self.withClient { cluster, client in
                let seen = Shared<[UInt64]>([])
                let watching = Task {
                    for try await observation in try client.observe("observed") {
                        #expect(!observation.isReset)
                        seen.withLock { seen in
                            seen += observation.terms.filter { $0.ended != nil }.map(\.fencingToken)
                        }
                    }
                }
                var granted: [UInt64] = []
                for id in cluster.ids {
                    for _ in 0..<3 {
                        granted.append(
                            try await client.withLatch("observed") { $0.fencingToken })
                    }
                    await cluster.kill(id)
                    _ = try await cluster.leader(except: [id])
                    for _ in 0..<3 {
                        granted.append(
                            try await client.withLatch("observed") { $0.fencingToken })
                    }
                    try await cluster.start(id)
                    try await cluster.catchUp(id)
                }
                let expected = granted
                _ = try await eventually("all terms are seen") {
                    seen.withLock { $0.count } >= expected.count ? true : nil
                }
                // The first may have begun before the observer did.
                #expect(seen.withLock { $0 } == expected)
                watching.cancel()
                let stale = try await client.latch("observed", consistency: .stale)
                #expect(stale.age != nil)
            }
        }

        // MARK: Helpers

        private static func holds(
            _ names: [String], _ client: LatchCluster
        ) async throws -> [LatchHold] {
            try await withThrowingTaskGroup(of: LatchHold.self) { group in
                for name in names {
                    group.addTask {
                        try await client.hold(name, participant: "holder", ttl: .seconds(8))
                    }
                }
                var holds: [LatchHold] = []
                for try await hold in group { holds.append(hold) }
                return holds.sorted { $0.name < $1.name }
            }
        }

        private static func tokens(of holds: [LatchHold]) async throws -> [UInt64] {
            try await eventually("all are held") {
                let tokens = holds.compactMap { $0.grant?.fencingToken }
                return tokens.count == holds.count ? tokens : nil
            }
        }

        private static func whileRunning(
            _ latch: Latch, _ body: () async throws -> Void
        ) async throws {
            let running = Task { try await latch.run() }
            do { try await body() } catch {
                running.cancel()
                throw error
            }
            running.cancel()
            try await running.value
            #expect(latch.state == .idle)
        }

        private static func grant(
            _ states: inout LatchStates.AsyncIterator
        ) async throws -> Grant {
            while let state = await states.next() {
                if case .holding(let grant) = state { return grant }
            }
            throw HarnessError("the states ended before it held")
        }

        /// Reads states up to one that is looked for.
        private static func next(
            _ states: inout LatchStates.AsyncIterator, _ isIt: (LatchState) -> Bool
        ) async -> Bool {
            while let state = await states.next() {
                if isIt(state) { return true }
            }
            return false
        }
    }
}
