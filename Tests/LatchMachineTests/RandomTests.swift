import LatchMachine
import Testing

@Suite("Random logs")
struct RandomTests {
    @Test("no log of 400 random commands breaks an invariant (I12-I15, I17, I19, I22), 240 seeds")
    func invariants() throws {
        for seed in 0..<240 as Range<UInt64> {
            var run = RandomRun(seed: seed)
            for _ in 0..<400 { run.step() }
            let broken = run.broken
            #expect(broken.isEmpty, "seed \(seed): \(broken.prefix(3))")
            if !broken.isEmpty { return }
        }
    }

    @Test("random logs reach what they are meant to reach")
    func coverage() {
        var seen: Set<String> = []
        for seed in 0..<40 as Range<UInt64> {
            var run = RandomRun(seed: seed)
            for _ in 0..<400 { run.step() }
            seen.formUnion(run.reached)
        }
        for mark in [
            "held", "held answer", "stored answer", "gap", "mismatch", "acknowledged", "unknown",
            "limit", "replay", "close frame", "expired", "deleted", "initial", "lagged",
            "restored", "token moved", "no such participant", "no such primitive", "gap in time",
            "overlap", "joined", "resigned", "closed", "expired", "evicted", "handedOver",
        ] {
            #expect(seen.contains(mark), "never reached: \(mark)")
        }
    }
}
