import LatchMachine
import SeededRandom
import Testing

/// How long a session can live without its client, whatever leaders come and go (L5, B37).
@Suite("A session's life while leaders change")
struct LifetimeTests {
    private struct Life {
        /// Log time at which the session's timeout began anew for the last time.
        let renewedAt: UInt64
        /// Elections since then.
        let elections: Int
        let endedAt: UInt64
    }

    /// Lets log time pass one millisecond at a time, with an election at each of `elections`, and a
    /// leader that looks for expired sessions all the while.
    private func live(
        timeout: UInt64, renewals: Set<UInt64>, elections: [UInt64: UInt64]
    ) throws -> Life {
        var replica = Replica()
        let session = replica.open(timeout: timeout)
        var renewedAt: UInt64 = 0
        var count = 0
        for time in 1...10_000 as ClosedRange<UInt64> {
            replica.time = time
            if let grace = elections[time] {
                replica.apply(.leaderElected(graceMilliseconds: grace, incarnation: 0))
                count += 1
            }
            if renewals.contains(time) {
                replica.renew(session)
                (renewedAt, count) = (time, 0)
            }
            let expired = replica.machine.expiredSessions(at: time)
            guard !expired.isEmpty else { continue }
            replica.apply(.expire(expired))
            #expect(replica.machine.sessionCount == 0)
            return Life(renewedAt: renewedAt, elections: count, endedAt: time)
        }
        Issue.record("it lives for ever")
        throw CancellationError()
    }

    @Test(
        "it ends after its timeout, and at most one grace later for each election (L5), 300 seeds")
    func bounds() throws {
        for seed in 0..<300 as Range<UInt64> {
            var random = SplitMix(seed: seed)
            let timeout = UInt64.random(in: 100...300, using: &random)
            let longest = UInt64.random(in: 0...400, using: &random)
            var elections: [UInt64: UInt64] = [:]
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                let time = UInt64.random(in: 1...1_500, using: &random)
                elections[time] = UInt64.random(in: 0...longest, using: &random)
            }
            let renewals = Set(
                (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    UInt64.random(in: 1...timeout, using: &random)
                })
            let life = try live(timeout: timeout, renewals: renewals, elections: elections)
            let deadline = life.renewedAt + timeout
            let most = deadline + UInt64(life.elections) * min(longest, timeout)
            #expect(life.endedAt > deadline, "seed \(seed): \(life)")
            #expect(life.endedAt <= most + 1, "seed \(seed): \(life), timeout \(timeout)")
            for (time, grace) in elections where time < life.endedAt {
                #expect(life.endedAt > time + min(grace, timeout), "seed \(seed): no grace")
            }
        }
    }

    @Test("an election without a grace does not start the timeout anew (B37)")
    func noGrace() throws {
        let elections: [UInt64: UInt64] = Dictionary(
            uniqueKeysWithValues: (1...9).map { ($0 * 25, 0) })
        let life = try live(timeout: 200, renewals: [], elections: elections)
        #expect(life.endedAt == 201)
        #expect(life.elections == 8)
    }

    @Test("elections at the worst moments reach the bound, and do not pass it")
    func worstCase() throws {
        // Each comes at the last moment at which the session still lives.
        let elections: [UInt64: UInt64] = [200: 50, 250: 50, 300: 50, 350: 50]
        let life = try live(timeout: 200, renewals: [], elections: elections)
        #expect(life.elections == 4)
        #expect(life.endedAt == 200 + 4 * 50 + 1)
    }
}
