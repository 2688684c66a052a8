import FaultyDisk
import Foundation
import RaftCore
import RaftStorage
import Testing

/// A number from the environment.
func setting(_ name: String) -> Int? {
    ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
}

@Suite("Power cuts at any disk operation of random lives", .serialized)
struct RandomCutTests {
    /// `LATCH_CUTS=10000` makes that many cuts; `LATCH_CUT_SEED=7` runs the lives of one seed.
    @Test("everything acknowledged survives, and nothing is ever refused (D8, D9, D21, goal 4)")
    func random() {
        if let seed = setting("LATCH_CUT_SEED") {
            var lives = Lives(seed: UInt64(seed))
            lives.run()
            #expect(lives.story == nil, "\(lives.story.map(String.init(describing:)) ?? "")")
            return
        }
        let wanted = setting("LATCH_CUTS") ?? 1_500
        let start = ContinuousClock.now
        var cuts = 0
        var seed: UInt64 = 0
        while cuts < wanted {
            seed += 1
            var lives = Lives(seed: seed)
            lives.run()
            cuts += lives.cuts
            if let story = lives.story {
                Issue.record("\(story)")
                return
            }
        }
        print("\(cuts) power cuts over \(seed) seeds in \(start.duration(to: .now))")
    }
}

/// Lives on one disk, one after another, each ended by a power cut; and what other cuts at other
/// moments would have left.
struct Lives {
    let seed: UInt64
    private(set) var cuts = 0
    private(set) var story: Story?
    private var random: SeededGenerator

    private static let livesPerSeed = 5
    private static let cutsPerLife = 6

    init(seed: UInt64) {
        self.seed = seed
        random = SeededGenerator(seed: seed)
    }

    mutating func run() {
        var image = DiskImage()
        var hasOpened = false
        for _ in 0..<Self.livesPerSeed {
            let life = Life.run(
                on: image, hasOpened: hasOpened, seed: random.next(), sample: Self.cutsPerLife,
                script: script())
            if let refusal = life.refusal ?? life.failures.first {
                return complain("without a cut: \(refusal)", life, at: 0)
            }
            guard life.hasEnded else { return complain("never ended", life, at: 0) }
            // The sample is in no order that time would recognise: its last is any moment.
            for cut in life.cuts {
                guard let survivors = verify(cut, in: life, depth: 0) else { return }
                image = survivors
                hasOpened = cut.hasOpened
            }
        }
    }

    /// Cuts, opens, and now and then cuts the opening too. Nil if something is wrong.
    private mutating func verify(_ cut: Cut, in life: Life.Result, depth: Int) -> DiskImage? {
        cuts += 1
        let survival = Survival.random(using: &random)
        let cutsAgain = depth < 3 && random.chance(1, in: 2)
        let verdict = Verdict(
            after: cut, states: life.states, survival: survival, seed: random.next(),
            sample: cutsAgain ? 1 : 0)
        if let complaint = verdict.complaint {
            complain("\(survival) at depth \(depth): \(complaint)", life, at: cut.operation)
            return nil
        }
        for again in verdict.opening.cuts {
            guard verify(again, in: verdict.opening, depth: depth + 1) != nil else { return nil }
        }
        return verdict.survivors
    }

    private mutating func complain(_ complaint: String, _ life: Life.Result, at cut: Int) {
        story = Story(
            reproduction: "LATCH_CUT_SEED=\(seed) swift test --filter RandomCutTests",
            complaint: "seed \(seed), \(complaint)", operations: life.operations, cut: cut)
    }

    private mutating func script() -> Script {
        let seed = random.next()
        return { state in
            var random = SeededGenerator(seed: seed)
            var workload = Workload(from: state)
            return (0..<(2 + random.next(below: 5))).map { _ in
                (0..<(1 + random.next(below: 4))).map { _ in workload.anything(using: &random) }
            }
        }
    }
}
