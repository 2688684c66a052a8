import Foundation
import Testing

@testable import latchctl

/// A guard in virtual time: milliseconds from 0.
private struct Trial {
    static let timing = GuardTiming(
        killGrace: .milliseconds(250), margin: .milliseconds(100), jeopardyLead: .milliseconds(500))

    var core: GuardCore
    /// Everything that was done, with its moment.
    var log: [(at: Int, action: GuardCore.Action)] = []

    init(deadline: Int = 1_000) {
        core = GuardCore(timing: Self.timing, deadline: Self.moment(deadline))
    }

    static func moment(_ milliseconds: Int) -> BootTime {
        BootTime(nanoseconds: Int64(milliseconds) * 1_000_000)
    }

    @discardableResult
    mutating func handle(_ input: GuardCore.Input, at time: Int) -> [GuardCore.Action] {
        let actions = core.handle(input, at: Self.moment(time))
        log += actions.map { (time, $0) }
        return actions
    }

    /// Lets time pass as the guard does, by its own wakes; something is always left.
    mutating func pass(from start: Int, to end: Int) {
        var now = start
        while true {
            let wake = core.wake(after: Self.moment(now))
            now = max(now + 1, Int(wake.nanoseconds / 1_000_000))
            guard now <= end else { return }
            let actions = handle(.tick, at: now)
            if actions.contains(.lookForLeft) { handle(.left(true), at: now) }
        }
    }

    func times(of action: GuardCore.Action) -> [Int] {
        log.filter { $0.action == action }.map(\.at)
    }
}

@Suite("The guard's decisions, in virtual time")
struct GuardCoreTests {
    @Test("without a renewal: jeopardy, SIGTERM, SIGKILL, each at its moment (D1)")
    func silence() {
        var trial = Trial()
        trial.pass(from: 0, to: 1_050)
        #expect(trial.times(of: .report(.jeopardy)) == [500])
        #expect(trial.times(of: .startJeopardyCommand) == [500])
        #expect(trial.times(of: .signalAll(SIGTERM)) == [650])
        #expect(trial.core.latestKill == Trial.moment(900))
        #expect(trial.times(of: .signalAll(SIGKILL)).first == 900)
    }

    @Test("SIGKILL is repeated until nothing is left, and only then the guard ends")
    func untilNothingIsLeft() {
        var trial = Trial()
        trial.pass(from: 0, to: 905)
        // Before the command's own end is known there is nothing to look for.
        #expect(trial.times(of: .lookForLeft).isEmpty)
        trial.handle(.commandEnded(.signaled(9)), at: 906)
        trial.handle(.left(true), at: 906)
        #expect(trial.times(of: .finish).isEmpty)
        trial.pass(from: 906, to: 940)
        #expect(trial.times(of: .signalAll(SIGKILL)).count >= 3)
        trial.handle(.left(false), at: 941)
        #expect(trial.times(of: .report(.gone)) == [941])
        #expect(trial.times(of: .finish) == [941])
        #expect(trial.handle(.tick, at: 2_000).isEmpty)
    }

    @Test("renewals put everything off, and re-arm the warning")
    func renewals() {
        var trial = Trial()
        trial.pass(from: 0, to: 550)
        trial.handle(.order(.deadline(Trial.moment(1_500))), at: 560)
        trial.pass(from: 560, to: 1_100)
        #expect(trial.times(of: .report(.jeopardy)) == [500, 1_000])
        #expect(trial.times(of: .signalAll(SIGTERM)).isEmpty)
        trial.pass(from: 1_100, to: 1_200)
        #expect(trial.times(of: .signalAll(SIGTERM)) == [1_150])
    }

    @Test("an older deadline changes nothing, and a later one does not take back an ending")
    func deadlinesOnlyGrow() {
        var trial = Trial()
        trial.handle(.order(.deadline(Trial.moment(400))), at: 10)
        trial.pass(from: 10, to: 660)
        #expect(trial.times(of: .signalAll(SIGTERM)) == [650])
        trial.handle(.order(.deadline(Trial.moment(5_000))), at: 700)
        trial.pass(from: 700, to: 910)
        #expect(trial.times(of: .signalAll(SIGKILL)).first == 900)
    }

    @Test(
        "told to end, or alone: SIGTERM at once, SIGKILL after the grace",
        arguments: [GuardCore.Input.order(.end), .orphaned])
    func ended(input: GuardCore.Input) {
        var trial = Trial(deadline: 10_000)
        trial.handle(input, at: 100)
        #expect(trial.times(of: .signalAll(SIGTERM)) == [100])
        // Looks for whom to signal end with the grace, not with the deadline.
        #expect(trial.core.latestKill == Trial.moment(350))
        trial.pass(from: 100, to: 400)
        #expect(trial.times(of: .signalAll(SIGKILL)).first == 350)
        trial.handle(input, at: 401)
        #expect(trial.times(of: .signalAll(SIGTERM)) == [100])
    }

    @Test("told to end shortly before the deadline: SIGKILL waits for no grace")
    func endedLate() {
        var trial = Trial()
        trial.handle(.order(.end), at: 640)
        trial.pass(from: 640, to: 1_000)
        #expect(trial.times(of: .signalAll(SIGKILL)).first == 890)
        var late = Trial()
        late.handle(.order(.deadline(Trial.moment(1_100))), at: 1)
        late.handle(.orphaned, at: 745)
        late.pass(from: 745, to: 1_100)
        #expect(late.times(of: .signalAll(SIGKILL)).first == 995)
    }

    @Test("a guard that woke late ends everything at once")
    func suspended() {
        var trial = Trial()
        let actions = trial.handle(.tick, at: 60_000)
        #expect(actions.contains(.signalAll(SIGTERM)))
        #expect(actions.contains(.signalAll(SIGKILL)))
    }

    @Test("a command that ends by itself and leaves nothing: gone at once")
    func finished() {
        var trial = Trial()
        #expect(
            trial.handle(.commandEnded(.exited(3)), at: 10)
                == [.report(.exited(.exited(3))), .lookForLeft])
        #expect(trial.handle(.left(false), at: 10) == [.report(.gone), .finish])
    }

    @Test("what a command leaves behind gets SIGTERM, and SIGKILL after the grace")
    func leftBehind() {
        var trial = Trial(deadline: 10_000)
        trial.handle(.commandEnded(.exited(0)), at: 100)
        trial.handle(.left(true), at: 100)
        #expect(trial.times(of: .report(.ending(.finished))) == [100])
        #expect(trial.times(of: .signalAll(SIGTERM)) == [100])
        trial.pass(from: 100, to: 400)
        #expect(trial.times(of: .signalAll(SIGTERM)) == [100])
        #expect(trial.times(of: .signalAll(SIGKILL)).first == 350)
    }

    @Test("signals are passed to the group as they are, also during the end")
    func passedOn() {
        var trial = Trial()
        #expect(trial.handle(.order(.signal(SIGUSR1)), at: 10) == [.signalGroup(SIGUSR1)])
        trial.handle(.order(.end), at: 20)
        #expect(trial.handle(.order(.signal(SIGINT)), at: 30) == [.signalGroup(SIGINT)])
    }

    @Test("it is too late to start when SIGTERM would be due")
    func tooLate() {
        let core = Trial().core
        #expect(core.latestStart == Trial.moment(650))
    }

    @Test(
        "whatever comes in whatever order: no look at the time after deadline - margin without SIGKILL"
    )
    func invariant() {
        for seed in UInt64(1)...2_000 {
            var random = Random(state: seed)
            var trial = Trial()
            var now = 0
            var hasEnded = false
            var deadline = 1_000
            while now < 4_000 {
                now += random.next(40)
                var isOver = false
                let input: GuardCore.Input
                switch random.next(12) {
                case 0, 1, 2:
                    // A renewal is never later than the time to be ended allows.
                    guard now < deadline - 350 else { fallthrough }
                    deadline = max(deadline, now + 400 + random.next(600))
                    input = .order(.deadline(Trial.moment(deadline)))
                case 3: input = .order(.signal(SIGHUP))
                case 4 where random.next(20) == 0: input = .order(.end)
                case 5 where random.next(20) == 0: input = .orphaned
                case 6 where !hasEnded && random.next(20) == 0:
                    hasEnded = true
                    input = .commandEnded(.exited(0))
                default: input = .tick
                }
                var actions = trial.handle(input, at: now)
                if actions.contains(.lookForLeft) {
                    actions += trial.handle(.left(true), at: now)
                }
                isOver = actions.contains(.finish)
                #expect(!isOver, "seed \(seed)")
                if now >= deadline - 100, input != .order(.deadline(Trial.moment(deadline))) {
                    let tick = trial.handle(.tick, at: now)
                    #expect(tick.contains(.signalAll(SIGKILL)), "seed \(seed), \(now) ms")
                }
            }
        }
    }
}

/// A small generator with a seed: the same run for the same seed.
private struct Random {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
