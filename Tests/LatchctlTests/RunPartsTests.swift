import ArgumentParser
import Foundation
import LatchClient
import Testing

@testable import latchctl

@Suite("The parts of latchctl run")
struct RunPartsTests {
    @Test("the moments of a budget are in order, and leave renewals half of the TTL")
    func budget() {
        for ttl in [200, 500, 1_000, 10_000, 60_000, 86_400_000] {
            let budget = RunBudget(ttl: .milliseconds(ttl))
            #expect(budget.objection == nil, "\(ttl)")
            #expect(budget.untilJeopardy <= budget.untilTerm, "\(ttl)")
            #expect(budget.untilTerm <= budget.untilKill && budget.untilKill < budget.life)
            #expect(budget.life < budget.ttl)
        }
        let ten = RunBudget(ttl: .seconds(10))
        #expect(ten.untilTerm == .microseconds(6_980_010))
        #expect(ten.untilKill == .microseconds(9_480_010))
        #expect(RunBudget(ttl: .milliseconds(100)).objection?.contains("at least 200ms") == true)
    }

    @Test(
        "with every kill grace that is accepted, a renewal that gets no answer is tried again in time",
        arguments: [200, 333, 1_000, 5_000, 10_000, 60_000, 86_400_000] as [Int64])
    func secondTry(ttl: Int64) {
        let ttl = Duration.milliseconds(ttl)
        // As the client of `latchctl run` sends renewals.
        let schedule = KeepAliveSchedule(ttl: ttl, longestAttempt: LatchSettings().attemptTimeout)
        var book = BeatBook()
        let start = ContinuousClock.now
        book.add(1, schedule: schedule, confirmedAt: start)
        _ = book.takeDue(at: start + schedule.period)
        let stall = book.stallsAt ?? start + ttl
        book.streamEnded(at: stall)
        let second = (book.nextDue ?? start + ttl) - start

        let longest = RunBudget(ttl: ttl, killGrace: RunBudget(ttl: ttl).longestKillGrace)
        #expect(longest.objection == nil)
        #expect(longest.untilTerm - second >= ttl / 10, "\(longest.untilTerm), \(second)")
        #expect(longest.untilJeopardy <= longest.untilTerm)
    }

    @Test("a kill grace that is too long is refused with the grace and with the TTL that fit")
    func graces() throws {
        let refused = RunBudget(ttl: .seconds(10), killGrace: .milliseconds(3_159))
        let reason = try #require(refused.objection)
        #expect(reason.contains("at most 3148ms with a TTL of 10s"), "\(reason)")
        let ttl = try #require(RunBudget.shortestTTL(for: refused.killGrace))
        #expect(reason.contains("at least \(TimeSpan(ttl)) for"), "\(reason)")
        for grace in [0, 60, 1_000, 3_159, 30_000, 600_000] as [Int64] {
            let grace = Duration.milliseconds(grace)
            let shortest = try #require(RunBudget.shortestTTL(for: grace))
            #expect(RunBudget(ttl: shortest, killGrace: grace).objection == nil)
            let shorter = RunBudget(ttl: shortest - .milliseconds(1), killGrace: grace)
            #expect(shorter.objection != nil, "\(grace)")
        }
        #expect(RunBudget.shortestTTL(for: .seconds(86_400)) == nil)
    }

    @Test("the budget is told as it is documented")
    func explanation() {
        #expect(
            RunBudget(ttl: .seconds(10)).explanation == """
                TTL 10.0 s, renewed every 3.3 s, by another node after 5.3 s if there is no answer. Without a renewal: \
                jeopardy after 5.0 s, SIGTERM after 6.9 s, SIGKILL after 9.4 s, deadline after 9.9 s; the cluster lets \
                another hold the latch after 10.0 s at the earliest.
                """)
    }

    @Test(
        "a command line is split as by a shell, and nothing else is done to it",
        arguments: [
            ("a b  c", ["a", "b", "c"]), ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
            (#"a\ b "c\"d" 'e\f'"#, ["a b", "c\"d", #"e\f"#]), ("$X `y` *", ["$X", "`y`", "*"]),
            ("a''b ''", ["ab", ""]), ("", []),
        ])
    func words(text: String, expected: [String]) {
        #expect(commandWords(text) == expected)
    }

    @Test("what cannot be split is refused", arguments: ["'a", "a\"", "a\\"])
    func noWords(text: String) {
        #expect(commandWords(text) == nil)
    }

    @Test("orders and reports come through the pipes as they were")
    func wire() {
        let orders: [GuardOrder] = [
            .deadline(BootTime(nanoseconds: 123)), .end, .signal(SIGUSR1),
        ]
        for order in orders { #expect(GuardOrder(line: order.line) == order) }
        let reports: [GuardReport] = [
            .started(7), .failed(.timer, errno: 2), .late, .blind(errno: 24), .jeopardy,
            .ending(.deadline), .ending(.told), .ending(.orphaned), .ending(.finished),
            .exited(.exited(3)), .exited(.signaled(9)), .gone,
        ]
        for report in reports { #expect(GuardReport(line: report.line) == report) }
        for line in ["", "deadline", "deadline x", "signal", "nonsense 1", "failed x 2", "gone 1"] {
            #expect(GuardOrder(line: line) == nil && GuardReport(line: line) == nil)
        }
        var buffer = LineBuffer()
        #expect(buffer.take("dead".utf8).isEmpty)
        #expect(buffer.take("line 1\nend\nsig".utf8) == ["deadline 1", "end"])
    }

    @Test("a guard reads its command line as latchctl wrote it")
    func setup() throws {
        let setup = GuardProcess.Setup(
            control: 5, report: 6,
            timing: GuardTiming(
                killGrace: .milliseconds(1), margin: .milliseconds(2), jeopardyLead: .seconds(3)),
            deadline: BootTime(nanoseconds: 99), terminalGroup: 0,
            jeopardyCommand: ["j", "k"].map(cString), command: ["c", "", "d"].map(cString))
        let read = try #require(GuardProcess.Setup(setup.arguments))
        #expect(read.control == 5 && read.report == 6 && read.timing == setup.timing)
        #expect(read.deadline == setup.deadline)
        #expect(read.jeopardyCommand.map { String(cString: $0) } == ["j", "k"])
        #expect(read.command.map { String(cString: $0) } == ["c", "", "d"])
        #expect(GuardProcess.Setup(Array(setup.arguments.prefix(9))) == nil)
        let withoutCommand = Array(setup.arguments.dropLast(3))
        #expect(GuardProcess.Setup(withoutCommand) == nil)
    }

    @Test("the fields of /proc/PID/stat, whatever the process calls itself")
    func processTable() throws {
        func fields(threads: Int) -> String {
            (4...22).map { $0 == 22 ? "777" : $0 == 20 ? "\(threads)" : "\($0)" }
                .joined(separator: " ")
        }
        let rest = fields(threads: 1)
        let line = Array("42 (a) Z (b) R \(rest) 0\n".utf8)
        let entry = try #require(Descendants.parse(line[...]))
        #expect(entry.pid == 42 && entry.parent == 4 && entry.group == 5 && entry.isAlive)
        #expect(entry.startTime == 777)
        let dead = Array("42 (x) Z \(rest)".utf8)
        #expect(Descendants.parse(dead[...])?.isAlive == false)
        // Its first thread has ended, and it goes on.
        let headless = Array("42 (x) Z \(fields(threads: 2))".utf8)
        #expect(Descendants.parse(headless[...])?.isAlive == true)
        #expect(Descendants.parse(Array("nonsense".utf8)[...]) == nil)
        #expect(Descendants.parse([]) == nil)
    }

    @Test(
        "--once, --if-free and --wait 0s: one try, with 123 if somebody else holds it",
        arguments: [["--once"], ["--if-free"], ["--wait", "0s"]])
    func once(words: [String]) throws {
        let rules = try Run.parse(["job"] + words + ["--", "true"]).rules
        // A wait of no time would be over before anybody was asked.
        #expect(rules.isOnlyIfFree && rules.wait == nil && !rules.isRetried)
        let refused = RunEnd.refused("", isWorthRetrying: true)
        #expect(rules.pause(after: refused, waited: .zero) == nil)
        // With a wait, the cluster gets so long to answer.
        let patient = try Run.parse(["job", "--once", "--wait", "5s", "--", "true"]).rules
        #expect(patient.isOnlyIfFree && patient.pause(after: refused, waited: .zero) != nil)
    }

    @Test(
        "the reports of a guard end with its link, also when the guard holds its end of the pipe",
        .timeLimit(.minutes(1)))
    func endOfReports() async throws {
        let ends = try GuardLink.pipe()
        defer { close(ends.write) }
        let (reports, source) = GuardLink.read(ends.read)
        GuardReport.started(7).write(to: ends.write)
        var heard: [GuardReport] = []
        for await report in reports {
            heard.append(report)
            source.cancel()
        }
        #expect(heard == [.started(7)])
    }

    @Test(
        "the last report of a guard and its end at the same moment: both are heard",
        .timeLimit(.minutes(1)))
    func lastReport() async throws {
        for _ in 0..<20 {
            let ends = try GuardLink.pipe()
            GuardReport.started(7).write(to: ends.write)
            close(ends.write)
            let (reports, source) = GuardLink.read(ends.read)
            var heard: [GuardReport] = []
            for await report in reports { heard.append(report) }
            #expect(heard == [.started(7)])
            #expect(source.isCancelled)
        }
    }

    @Test("what cannot be right is refused before anything is asked of the cluster")
    func usage() throws {
        _ = try Run.parse(["job", "--", "true", "--ttl", "nonsense"])
        let wrong: [[String]] = [
            ["job"], ["job", "true"], ["job", "--ttl", "100ms", "--", "true"],
            ["job", "--kill-grace", "9s", "--", "true"],
            ["job", "--on-jeopardy", "'", "--", "true"],
            ["job", "--participant", "", "--", "true"], ["job", "--once", "--retry", "--", "true"],
            ["job", "--if-free", "--retry", "--", "true"],
            ["job", "--wait", "0s", "--retry", "--", "true"],
        ]
        for arguments in wrong {
            #expect(throws: (any Error).self, "\(arguments)") { try Run.parse(arguments) }
        }
    }
}
