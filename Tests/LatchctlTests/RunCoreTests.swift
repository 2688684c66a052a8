import Foundation
import Testing

@testable import latchctl

private func moment(_ milliseconds: Int) -> BootTime {
    BootTime(nanoseconds: Int64(milliseconds) * 1_000_000)
}

private func grant(_ token: UInt64 = 7, until deadline: Int = 1_000) -> RunGrant {
    RunGrant(fencingToken: token, term: 1, deadline: moment(deadline))
}

private let budget = RunBudget(ttl: .seconds(1))

@Suite("What latchctl run decides beside its guard, in virtual time")
struct RunCoreTests {
    private func running(_ rules: RunRules = RunRules(budget: budget)) -> RunCore {
        var core = RunCore(rules: rules, waitUntil: nil)
        _ = core.handle(.holding(grant()), at: moment(0))
        _ = core.handle(.report(.started(42)), at: moment(10))
        return core
    }

    @Test("the command starts with the grant, not before")
    func start() {
        var core = RunCore(rules: RunRules(budget: budget), waitUntil: nil)
        let queued = core.handle(.queued(position: 2, holder: "a"), at: moment(0))
        #expect(queued == [.say("waiting, position 2 behind a")])
        #expect(core.handle(.tick, at: moment(100_000)).isEmpty)
        #expect(
            core.handle(.holding(grant()), at: moment(5)) == [.publish(grant()), .start(grant())])
    }

    @Test("renewals go to the guard first, then to the file")
    func renewal() {
        var core = running()
        let later = grant(until: 1_400)
        #expect(
            core.handle(.renewed(moment(1_400)), at: moment(400))
                == [.order(.deadline(moment(1_400))), .publish(later)])
        #expect(core.handle(.renewed(moment(1_300)), at: moment(410)).isEmpty)
    }

    @Test("the command's own end is latchctl's: codes, and signals as 128 + n")
    func ended() {
        var core = running()
        _ = core.handle(.report(.exited(.exited(3))), at: moment(20))
        #expect(core.handle(.report(.gone), at: moment(20)) == [.finish(.ended(.exited(3)))])
        #expect(RunEnd.ended(.exited(3)).code == 3)
        #expect(RunEnd.ended(.signaled(15)).code == 143)
    }

    @Test("a command that was told to end is not run again when the latch is lost meanwhile")
    func stoppedThenLost() {
        var core = running(RunRules(budget: budget, isRetried: true))
        #expect(core.handle(.signal(SIGTERM), at: moment(20)) == [.order(.signal(SIGTERM))])
        _ = core.handle(.lost("gone"), at: moment(30))
        let end = core.handle(.report(.gone), at: moment(40))
        #expect(end == [.finish(.interrupted(SIGTERM))])
    }

    @Test(
        "every way to lose the latch ends the command, and is told as a loss",
        arguments: [
            RunCore.Input.lost("gone"), .queued(position: 3, holder: "b"),
            .holding(RunGrant(fencingToken: 8, term: 2, deadline: moment(1_000))),
        ])
    func lost(input: RunCore.Input) {
        var core = running()
        #expect(core.handle(input, at: moment(300)).contains(.order(.end)))
        // It is said once.
        #expect(!core.handle(input, at: moment(301)).contains(.order(.end)))
        #expect(core.handle(.renewed(moment(9_000)), at: moment(302)).isEmpty)
        _ = core.handle(.report(.exited(.exited(0))), at: moment(310))
        let end = core.handle(.report(.gone), at: moment(320))
        guard case .finish(.lost) = end.first else {
            Issue.record("\(end)")
            return
        }
        #expect(RunEnd.lost("").code == RunExit.lost)
    }

    @Test("a command that had ended before the loss has ended by itself")
    func endedBeforeLoss() {
        var core = running()
        _ = core.handle(.report(.exited(.exited(0))), at: moment(300))
        _ = core.handle(.lost("gone"), at: moment(301))
        #expect(core.handle(.report(.gone), at: moment(302)) == [.finish(.ended(.exited(0)))])
    }

    @Test("a guard that does nothing is stood in for, half of the margin before the deadline")
    func backstop() {
        var core = running()
        #expect(core.handle(.tick, at: moment(949)).isEmpty)
        #expect(core.handle(.tick, at: moment(950)) == [.kill])
        guard case .finish(.lost) = core.handle(.allKilled, at: moment(951)).first else {
            Issue.record("not lost")
            return
        }
    }

    @Test("a guard that was killed: all its processes are killed, and latchctl has failed")
    func vanished() {
        var core = running()
        #expect(core.handle(.guardVanished, at: moment(20)) == [.kill])
        // Until none is left.
        #expect(core.handle(.tick, at: moment(20)) == [.kill])
        guard case .finish(.failed) = core.handle(.allKilled, at: moment(21)).first else {
            Issue.record("not failed")
            return
        }
        #expect(RunEnd.failed("").code == RunExit.failure)
    }

    @Test("signals are passed on; while waiting, those that end a process end the wait")
    func signals() {
        var core = running()
        #expect(core.handle(.signal(SIGTERM), at: moment(20)) == [.order(.signal(SIGTERM))])
        var waiting = RunCore(rules: RunRules(budget: budget), waitUntil: nil)
        #expect(waiting.handle(.signal(SIGUSR1), at: moment(1)).isEmpty)
        #expect(
            waiting.handle(.signal(SIGTERM), at: moment(2)) == [.finish(.interrupted(SIGTERM))])
        #expect(RunEnd.interrupted(SIGTERM).code == 143)
    }

    @Test("--wait and --if-free end a wait with codes of their own")
    func notGot() {
        var core = RunCore(rules: RunRules(budget: budget), waitUntil: moment(50))
        #expect(core.handle(.tick, at: moment(49)).isEmpty)
        #expect(core.handle(.tick, at: moment(50)) == [.finish(.notInTime)])
        let rules = RunRules(budget: budget, isOnlyIfFree: true)
        var free = RunCore(rules: rules, waitUntil: nil)
        #expect(
            free.handle(.queued(position: 2, holder: "a"), at: moment(0))
                == [.finish(.busy(holder: "a"))])
        #expect(RunEnd.notInTime.code == 124 && RunEnd.busy(holder: "a").code == 123)
    }

    @Test("what is tried again, and what is not")
    func pauses() {
        let plain = RunRules(budget: budget)
        let retried = RunRules(budget: budget, isRetried: true)
        let patient = RunRules(budget: budget, wait: .seconds(5))
        let unreachable = RunEnd.refused("", isWorthRetrying: true)
        #expect(plain.pause(after: .lost(""), waited: .zero) == nil)
        #expect(retried.pause(after: .lost(""), waited: .zero) != nil)
        #expect(plain.pause(after: unreachable, waited: .zero) == nil)
        #expect(retried.pause(after: unreachable, waited: .seconds(9_999)) != nil)
        #expect(patient.pause(after: unreachable, waited: .seconds(4)) != nil)
        #expect(patient.pause(after: unreachable, waited: .seconds(5)) == nil)
        for end in [RunEnd.ended(.exited(1)), .busy(holder: nil), .notInTime, .interrupted(2)] {
            #expect(retried.pause(after: end, waited: .zero) == nil)
        }
        let refused = RunEnd.refused("", isWorthRetrying: false)
        #expect(retried.pause(after: refused, waited: .zero) == nil)
    }
}
