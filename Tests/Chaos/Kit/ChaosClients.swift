import ClusterHarness
import GRPCCore
import HistoryChecker
import LatchAPI
import SeededRandom
import Synchronization

/// Clients of many kinds that call a cluster through all its nodes; every call is recorded.
package final class ChaosClients: Sendable {
    /// How many of each kind, and how fast.
    package struct Mix: Sendable {
        package var privateWorkers = 24
        package var contendersPerLatch = 4
        package var sharedLatches = 3
        package var watchersPerLatch = 1
        /// Between two calls of one worker.
        package var pause: Duration = .milliseconds(20)

        package init() {}
    }

    static let namespace = "chaos"
    let connections: [NodeConnection]
    let recorder: Recorder
    private let mix: Mix
    private let chance: Mutex<SplitMix>
    /// Nodes, by position, that failed a call a moment ago.
    private let avoidedUntil = Mutex<[Int: ContinuousClock.Instant]>([:])
    private let isEnding = Mutex(false)

    private init(_ connections: [NodeConnection], _ recorder: Recorder, _ mix: Mix, seed: UInt64) {
        self.connections = connections
        self.recorder = recorder
        self.mix = mix
        chance = Mutex(SplitMix(seed: seed))
    }

    /// Runs `body` while the clients work.
    package static func run<Result: Sendable>(
        through endpoints: [String], recorder: Recorder, mix: Mix = Mix(), seed: UInt64,
        _ body: (ChaosClients) async throws -> Result
    ) async throws -> Result {
        try await NodeConnection.withEach(of: endpoints) { connections in
            let clients = ChaosClients(connections, recorder, mix, seed: seed)
            let work = Task { await clients.work() }
            do {
                let result = try await body(clients)
                await clients.end(work)
                return result
            } catch {
                await clients.end(work)
                throw error
            }
        }
    }

    /// Lets calls that are under way end, so that their outcome is known, then ends the rest.
    private func end(_ work: Task<Void, Never>) async {
        isEnding.withLock { $0 = true }
        let limit = Task {
            try await Task.sleep(for: .seconds(4))
            work.cancel()
        }
        await work.value
        limit.cancel()
    }

    private func work() async {
        await withTaskGroup { group in
            for worker in 0..<mix.privateWorkers {
                group.addTask { await self.workAlone(client: worker) }
            }
            for number in 0..<mix.sharedLatches {
                for contender in 0..<mix.contendersPerLatch {
                    let client = 1_000 + number * 100 + contender
                    group.addTask { await self.contend(client: client, for: number) }
                }
                group.addTask {
                    // A delete takes a scan from the checker, that a term has one holder: the
                    // other latches keep it.
                    await self.operate(
                        client: 3_000 + number, on: number, deletes: number == 0)
                }
                for watcher in 0..<mix.watchersPerLatch {
                    let client = 2_000 + number * 100 + watcher
                    group.addTask { await self.watch(client: client, number) }
                }
            }
        }
    }

    /// The name that those who share this latch use now: another one each minute, since what the
    /// checker needs grows with the square of a latch's commands.
    func sharedLatch(_ number: Int) -> String {
        "shared-\(number)-\(recorder.now() / 60_000_000_000)"
    }

    var continues: Bool { !Task.isCancelled && !isEnding.withLock { $0 } }

    func random(below bound: Int) -> Int {
        chance.withLock { Int.random(in: 0..<bound, using: &$0) }
    }

    func pause(times factor: Int = 1) async {
        // Spread, so that the clients do not step together.
        let base = mix.pause * factor
        try? await Task.sleep(for: base / 2 + base * random(below: 1_000) / 1_000)
    }

    /// A random node; one that failed a call is avoided for a while, as careful clients do.
    func pickNode() -> Int {
        let now = ContinuousClock.now
        let avoided = avoidedUntil.withLock { $0.filter { $0.value > now }.keys }
        let good = connections.indices.filter { !avoided.contains($0) }
        return good.isEmpty ? random(below: connections.count) : good[random(below: good.count)]
    }

    func avoid(_ node: Int) {
        let until = ContinuousClock.now + .milliseconds(400 + random(below: 400))
        avoidedUntil.withLock { $0[node] = until }
    }

    func attempt(at node: Int) -> AtomixAttempt {
        AtomixAttempt(connections[node], timeout: .milliseconds(1_500))
    }
}
