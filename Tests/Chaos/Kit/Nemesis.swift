import ClusterHarness
import Foundation
import SeededRandom
import Synchronization

/// Does one fault after another, sometimes two at once, drawn from a seed; each is undone.
package final class Nemesis: Sendable {
    let cluster: ChaosCluster
    let observer: Observer
    let timeline: Timeline
    private let kinds: [FaultKind]
    private let state: Mutex<(chance: SplitMix, done: [FaultKind: Int], diskEnds: Int)>

    /// Election timeout T, in milliseconds.
    let electionTimeout: Int

    package init(
        _ cluster: ChaosCluster, _ observer: Observer, _ timeline: Timeline,
        kinds: [FaultKind], electionTimeout: Int, seed: UInt64
    ) {
        self.cluster = cluster
        self.observer = observer
        self.timeline = timeline
        self.kinds = kinds
        self.electionTimeout = electionTimeout
        state = Mutex((SplitMix(seed: seed ^ 0x4E65_6D65), [:], 0))
    }

    /// How often each kind was done.
    package var done: [FaultKind: Int] { state.withLock { $0.done } }

    /// How often a failing or full disk ended its node.
    package var diskEnds: Int { state.withLock { $0.diskEnds } }
    func countEffect() { state.withLock { $0.diskEnds += 1 } }

    /// Every kind once in drawn order, then drawn ones, until the time is over.
    package func run(until end: ContinuousClock.Instant) async throws {
        var plan = shuffledKinds()
        while ContinuousClock.now < end {
            try await wait(milliseconds: random(200...1_200))
            if plan.isEmpty { plan = shuffledKinds() }
            let first = plan.removeLast()
            if random(0...3) == 0, let second = plan.popLast() {
                try await doBoth(first, second)
            } else {
                try await perform(first)
            }
            try await restartMissing()
        }
    }

    private func doBoth(_ first: FaultKind, _ second: FaultKind) async throws {
        async let one: Void = perform(first)
        async let other: Void = perform(second)
        _ = try await (one, other)
    }

    /// Takes everything back: links, clocks, disks, pauses, dead nodes.
    package func heal() async throws {
        cluster.net.heal()
        for id in cluster.ids {
            await cluster.signal(id, SIGCONT)
            await cluster.freeDisk(of: id)
            try await cluster.order(id) { $0 = .init() }
        }
        try await restartMissing()
        timeline.note("nemesis: everything healed")
    }

    func restartMissing() async throws {
        let started = try await cluster.startMissing()
        if !started.isEmpty { timeline.note("nemesis: started \(started)") }
    }

    func count(_ kind: FaultKind) { state.withLock { $0.done[kind, default: 0] += 1 } }

    func random(_ range: ClosedRange<Int>) -> Int {
        state.withLock { Int.random(in: range, using: &$0.chance) }
    }

    func someNode() -> Int { cluster.ids[random(0...cluster.ids.count - 1)] }

    func someNodes(_ count: Int) -> [Int] {
        state.withLock { Array(cluster.ids.shuffled(using: &$0.chance).prefix(count)) }
    }

    private func shuffledKinds() -> [FaultKind] {
        state.withLock { kinds.shuffled(using: &$0.chance) }
    }

    func wait(milliseconds: Int) async throws {
        try await Task.sleep(for: .milliseconds(milliseconds))
    }

    func say(_ kind: FaultKind, _ text: String) {
        timeline.note("nemesis: \(kind.rawValue) \(text)")
        count(kind)
    }
}
