import GRPCCore
import LatchAPI
import LatchClient
import SeededRandom
import SwiftProtobuf
import Synchronization

/// Clients of many kinds that load a cluster through all its nodes and note what they are told.
///
/// Writers send sequenced Latch commands and repeat each under its request id, also through other
/// nodes, until it is answered. A keeper keeps every session alive. A churner hands one latch from
/// session to session. A reader reads latches through random nodes. What contradicts the contract
/// is kept in ``violations``.
package final class Workload: Sendable {
    package static let namespace = "workload"
    static let sessionTimeout = 5_000
    private static let participantsPerSession = 100
    private static let writersPerLatch = 2

    let connections: [NodeConnection]
    let history = Mutex(History())
    private let chance: Mutex<SplitMix>
    private let isWriting = Mutex(true)
    /// Nodes, by position, that let a call wait.
    private let avoidedUntil = Mutex<[Int: ContinuousClock.Instant]>([:])

    private init(_ connections: [NodeConnection], seed: UInt64) {
        self.connections = connections
        chance = Mutex(SplitMix(seed: seed))
    }

    /// Runs `body` while the clients work. They stop when it returns.
    package static func run<Result: Sendable>(
        on cluster: TestCluster, writers: Int = 6, seed: UInt64,
        _ body: (Workload) async throws -> Result
    ) async throws -> Result {
        try await NodeConnection.withEach(of: cluster.endpoints) { connections in
            let workload = Workload(connections, seed: seed)
            let clients = Task { await workload.work(writers: writers) }
            do {
                let result = try await body(workload)
                clients.cancel()
                await clients.value
                return result
            } catch {
                clients.cancel()
                await clients.value
                throw error
            }
        }
    }

    private func work(writers: Int) async {
        await withTaskGroup { group in
            for writer in 0..<writers { group.addTask { await self.write(as: writer) } }
            group.addTask { await self.keepSessions() }
            group.addTask { await self.churn() }
            group.addTask { await self.read() }
        }
    }

    // MARK: For the test

    /// Contradictions to the contract so far.
    package var violations: [String] { history.withLock { $0.violations } }
    /// How many Latch commands were acknowledged.
    package var acknowledged: Int { history.withLock { $0.acknowledgedCount } }
    /// The latches that writers joined so far.
    package var latches: [String] { history.withLock { $0.names } }

    /// The longest time without an acknowledged Latch since `start`, until now.
    package func longestSilence(since start: ContinuousClock.Instant) -> Duration {
        history.withLock { $0.longestSilence(since: start) }
    }

    /// Waits until `count` more Latch commands were acknowledged.
    package func progress(_ count: Int = 50, within seconds: Double = 20) async throws {
        let goal = acknowledged + count
        _ = try await eventually("\(count) more acknowledged commands", within: seconds) {
            acknowledged >= goal ? true : nil
        }
    }

    /// Ends the writers and the churner after their current command; sessions are still kept alive.
    package func finishWriting(within seconds: Double = 20) async throws {
        isWriting.withLock { $0 = false }
        _ = try await eventually("the last answers", within: seconds) {
            history.withLock { $0.busyClients == 0 } ? true : nil
        }
    }

    var continues: Bool { !Task.isCancelled && isWriting.withLock { $0 } }

    func random(below bound: Int) -> Int {
        chance.withLock { Int.random(in: 0..<bound, using: &$0) }
    }

    // MARK: Sessions and commands

    /// Opens a session; an attempt whose answer is lost leaves one behind that nobody uses.
    func open(_ latch: String) async throws -> KeptSession {
        let header = Self.header(latch)
        let answer = try await settle("create") {
            try await $0.create(header, milliseconds: Self.sessionTimeout)
        }
        let session = KeptSession(latch: latch, id: answer.response.header.sessionID)
        history.withLock { $0.sessions[session.id] = session }
        return session
    }

    /// Repeats an attempt at random nodes until one succeeds; throws what must never happen.
    func settle<Response: Sendable>(
        _ what: String, _ attempt: (AtomixAttempt) async throws -> Response
    ) async throws -> (response: Response, attempts: Int) {
        var attempts = 0
        while true {
            attempts += 1
            let node = pickNode()
            let began = ContinuousClock.now
            defer { noteDuration(of: what, node, since: began) }
            do {
                let client = AtomixAttempt(connections[node], timeout: .milliseconds(1_500))
                return (try await attempt(client), attempts)
            } catch let failure as AtomixFailure where !failure.isRetryable {
                note("\(what): \(failure)")
                throw failure
            } catch {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    static func header(
        _ latch: String, session: UInt64 = 0, requestID: UInt64 = 0
    ) -> Atomix_Headers_RequestHeader {
        .with(latch, in: namespace, session: session, requestID: requestID)
    }

    /// A random node; one that let a call wait is avoided for a while, as careful clients do.
    func pickNode() -> Int {
        let now = ContinuousClock.now
        let avoided = avoidedUntil.withLock { $0.filter { $0.value > now }.keys }
        let good = connections.indices.filter { !avoided.contains($0) }
        return good.isEmpty ? random(below: connections.count) : good[random(below: good.count)]
    }

    /// Attempts that took long: not wrong, but what to look at when something is.
    func noteDuration(of what: String, _ node: Int, since began: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        guard now - began > .milliseconds(750) else { return }
        avoidedUntil.withLock { $0[node] = now + .seconds(1) }
        history.withLock {
            $0.slowAttempts.append("\(what) through node \(node + 1): \(now - began)")
        }
    }

    func note(_ violation: String) {
        history.withLock { $0.violations.append(violation) }
    }

    func whileBusy(_ body: () async throws -> Void) async {
        history.withLock { $0.busyClients += 1 }
        // Errors that matter are noted where they happen; what is left is the end of the test.
        try? await body()
        history.withLock { $0.busyClients -= 1 }
    }

    // MARK: Writers

    private func write(as writer: Int) async {
        await whileBusy {
            var generation = 0
            while continues {
                let group = writer / Self.writersPerLatch
                let session = try await open("writers-\(group)-\(generation)")
                for requestID in 1...UInt64(Self.participantsPerSession) where continues {
                    try await join(session, "w\(writer)-\(requestID)", requestID)
                }
                generation += 1
            }
        }
    }

    private func join(
        _ session: KeptSession, _ participant: String, _ requestID: UInt64
    ) async throws {
        let header = Self.header(session.latch, session: session.id, requestID: requestID)
        let answer = try await settle("\(participant) in \(session.latch)") {
            try await $0.latch(header, participant)
        }
        history.withLock {
            $0.acknowledge(
                participant, requestID, in: session, answer.response,
                retried: answer.attempts > 1)
        }
        guard answer.attempts > 1 || random(below: 16) == 0 else { return }
        let again = try await settle("repeat of \(participant) in \(session.latch)") {
            try await $0.latch(header, participant)
        }
        if again.response != answer.response {
            note(
                "\(participant) in \(session.latch): answered \(answer.response.header) first, "
                    + "\(again.response.header) when repeated")
        }
    }
}
