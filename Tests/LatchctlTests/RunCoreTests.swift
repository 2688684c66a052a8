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
        "a signal that a command may survive, like HUP to read its files again, is no wish for its end",
        arguments: [SIGHUP, SIGQUIT, SIGUSR1])
    func survivedThenLost(number: Int32) {
        var core = running(RunRules(budget: budget, isRetried: true))
        #expect(core.handle(.signal(number), at: moment(20)) == [.order(.signal(number))])
        _ = core.handle(.lost("gone"), at: moment(500))
        #expect(core.handle(.report(.gone), at: moment(510)) == [.finish(.lost("gone"))])
    }

    @Test(
        "every way to lose the latch ends the command, and is told as a loss",
        arguments: [
            RunCore.Input.lost("gone"), .queued(position: 3, holder: "b"),
            .holding(RunGrant(fencingToken: 8, term: 2, deadline: moment(1_000))),
        ])
    func lost(input: RunCore.Input) {
        var core = running()
        // Words come after the deed.
        #expect(core.handle(input, at: moment(300)).first == .order(.end))
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
        // What the guard may have reported is waited for: the end of its reports.
        #expect(core.handle(.killed(isAnyLeft: false), at: moment(951)).isEmpty)
        #expect(core.handle(.guardVanished, at: moment(952)) == [.kill])
        guard case .finish(.lost) = core.handle(.killed(isAnyLeft: false), at: moment(952)).first
        else {
            Issue.record("not lost")
            return
        }
    }

    @Test("latchctl stopped beyond the deadline: what the guard did meanwhile counts")
    func reportsBeforeBackstop() {
        var core = running(RunRules(budget: budget, isRetried: true))
        #expect(core.handle(.tick, at: moment(5_000)) == [.kill])
        _ = core.handle(.report(.exited(.exited(0))), at: moment(5_001))
        #expect(core.handle(.killed(isAnyLeft: false), at: moment(5_001)).isEmpty)
        #expect(core.handle(.report(.gone), at: moment(5_002)) == [.finish(.ended(.exited(0)))])
        // The SIGKILL may have been latchctl's own.
        var killed = running()
        _ = killed.handle(.tick, at: moment(5_000))
        _ = killed.handle(.report(.exited(.signaled(SIGKILL))), at: moment(5_001))
        guard case .finish(.lost) = killed.handle(.report(.gone), at: moment(5_002)).first else {
            Issue.record("not lost")
            return
        }
    }

    @Test("processes that cannot be ended: told once at the deadline, and never taken for gone")
    func overdue() {
        var core = running()
        for time in stride(from: 950, to: 990, by: 10) {
            #expect(core.handle(.tick, at: moment(time)) == [.kill])
            #expect(core.handle(.killed(isAnyLeft: true), at: moment(time)).isEmpty)
        }
        #expect(core.handle(.guardVanished, at: moment(995)) == [.kill])
        let late = core.handle(.killed(isAnyLeft: true), at: moment(1_000))
        guard case .warn(let text) = late.first else {
            Issue.record("\(late)")
            return
        }
        #expect(text.contains("left at the deadline"))
        #expect(core.handle(.killed(isAnyLeft: true), at: moment(60_000)).isEmpty)
        #expect(core.handle(.tick, at: moment(60_000)) == [.kill])
    }

    @Test("a guard that was killed: all its processes are killed, and latchctl has failed")
    func vanished() {
        var core = running()
        #expect(core.handle(.guardVanished, at: moment(20)) == [.kill])
        // Until none is left.
        #expect(core.handle(.killed(isAnyLeft: true), at: moment(20)).isEmpty)
        #expect(core.handle(.tick, at: moment(20)) == [.kill])
        guard
            case .finish(.failed(let reason)) = core.handle(
                .killed(isAnyLeft: false), at: moment(21)
            ).first
        else {
            Issue.record("not failed")
            return
        }
        #expect(reason.contains("was killed"))
        #expect(RunEnd.failed("").code == RunExit.failure)
    }

    @Test("a guard that cannot be started, or cannot start the command: what, why, and what to do")
    func notStarted() {
        var core = RunCore(rules: RunRules(budget: budget), waitUntil: nil)
        _ = core.handle(.holding(grant()), at: moment(0))
        #expect(core.handle(.notStarted("why"), at: moment(1)) == [.finish(.failed("why"))])

        var lacking = RunCore(rules: RunRules(budget: budget), waitUntil: nil)
        _ = lacking.handle(.holding(grant()), at: moment(0))
        #expect(
            lacking.handle(.report(.failed(.command, errno: EAGAIN)), at: moment(1)).isEmpty)
        guard case .finish(let end) = lacking.handle(.report(.gone), at: moment(1)).first,
            case .failed(let reason) = end
        else {
            Issue.record("not failed")
            return
        }
        for word in ["posix_spawn", "Resource temporarily unavailable", "ulimit -u"] {
            #expect(reason.contains(word), "\(reason)")
        }
        #expect(end.code == RunExit.failure)

        var early = RunCore(rules: RunRules(budget: budget), waitUntil: nil)
        _ = early.handle(.holding(grant()), at: moment(0))
        #expect(early.handle(.guardVanished, at: moment(1)) == [.kill])
        guard
            case .finish(.failed(let words)) = early.handle(
                .killed(isAnyLeft: false), at: moment(1)
            ).first
        else {
            Issue.record("not failed")
            return
        }
        #expect(words.contains("before it had started the command"))
    }

    @Test("too late to start is a loss, whatever the code of the process that was to start it")
    func late() {
        var core = running()
        _ = core.handle(.report(.late), at: moment(700))
        _ = core.handle(.report(.exited(.exited(RunExit.lost))), at: moment(700))
        guard case .finish(.lost) = core.handle(.report(.gone), at: moment(700)).first else {
            Issue.record("not lost")
            return
        }
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
