import ArgumentParser
import Foundation
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
        #expect(ten.untilTerm == .milliseconds(6_990) && ten.untilKill == .milliseconds(9_490))
        let longest = ten.longestKillGrace
        #expect(RunBudget(ttl: .seconds(10), killGrace: longest).objection == nil)
        let more = RunBudget(ttl: .seconds(10), killGrace: longest + .milliseconds(1))
        #expect(more.objection?.contains("may be at most") == true)
        #expect(RunBudget(ttl: .milliseconds(100)).objection?.contains("at least 200ms") == true)
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
            .started(7), .failed(errno: 2), .jeopardy, .ending(.deadline), .ending(.told),
            .ending(.orphaned), .ending(.finished), .exited(.exited(3)), .exited(.signaled(9)),
            .overdue, .gone,
        ]
        for report in reports { #expect(GuardReport(line: report.line) == report) }
        for line in ["", "deadline", "deadline x", "signal", "nonsense 1"] {
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
        let rest = (4...22).map { $0 == 22 ? "777" : String($0) }.joined(separator: " ")
        let line = Array("42 (a) Z (b) R \(rest) 0\n".utf8)
        let entry = try #require(Descendants.parse(line[...]))
        #expect(entry.pid == 42 && entry.parent == 4 && entry.group == 5 && entry.isAlive)
        #expect(entry.startTime == 777)
        let dead = Array("42 (x) Z \(rest)".utf8)
        #expect(Descendants.parse(dead[...])?.isAlive == false)
        #expect(Descendants.parse(Array("nonsense".utf8)[...]) == nil)
        #expect(Descendants.parse([]) == nil)
    }

    @Test("what cannot be right is refused before anything is asked of the cluster")
    func usage() throws {
        _ = try Run.parse(["job", "--", "true", "--ttl", "nonsense"])
        let wrong: [[String]] = [
            ["job"], ["job", "true"], ["job", "--ttl", "100ms", "--", "true"],
            ["job", "--kill-grace", "9s", "--", "true"],
            ["job", "--on-jeopardy", "'", "--", "true"],
            ["job", "--participant", "", "--", "true"],
        ]
        for arguments in wrong {
            #expect(throws: (any Error).self, "\(arguments)") { try Run.parse(arguments) }
        }
    }
}
