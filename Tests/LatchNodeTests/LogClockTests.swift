import RaftCore
import Testing

@testable import LatchNode

@Suite("Log time")
struct LogClockTests {
    @Test("log time continues from the last stamp and follows the leader's clock")
    func continuesFromTheLastStamp() {
        var clock = LogClock(maximumStepMilliseconds: 300)
        clock.start(from: 5_000, at: Instant(milliseconds: 10))
        #expect(clock.advance(to: Instant(milliseconds: 10)) == 5_000)
        #expect(clock.advance(to: Instant(milliseconds: 60)) == 5_050)
        #expect(clock.advance(to: Instant(milliseconds: 70)) == 5_060)
    }

    @Test("a paused process ages nobody by more than one election timeout (T4, T6)")
    func aPauseAddsOneElectionTimeoutAtMost() {
        var clock = LogClock(maximumStepMilliseconds: 300)
        clock.start(from: 0, at: Instant(milliseconds: 0))
        #expect(clock.advance(to: Instant(milliseconds: 60_000)) == 300)
        #expect(clock.advance(to: Instant(milliseconds: 60_010)) == 310)
    }

    @Test("log time never goes back, whatever the clock does")
    func neverGoesBack() {
        var clock = LogClock(maximumStepMilliseconds: 300)
        clock.start(from: 100, at: Instant(milliseconds: 50))
        #expect(clock.advance(to: Instant(milliseconds: 20)) == 100)
        #expect(clock.advance(to: Instant(milliseconds: 60)) == 110)
    }

    @Test("while this server does not lead, time stands still, and a later stamp wins")
    func standsStillWithoutLeadership() {
        var clock = LogClock(maximumStepMilliseconds: 300)
        clock.start(from: 0, at: Instant(milliseconds: 0))
        _ = clock.advance(to: Instant(milliseconds: 100))
        clock.stop()
        #expect(!clock.isRunning)
        clock.start(from: 7_000, at: Instant(milliseconds: 90_000))
        #expect(clock.advance(to: Instant(milliseconds: 90_001)) == 7_001)
        #expect(clock.instant(of: 7_101) == Instant(milliseconds: 90_101))
    }
}
