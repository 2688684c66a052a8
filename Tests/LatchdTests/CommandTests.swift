import ArgumentParser
import Testing

@testable import latchd

@Suite("The command line")
struct CommandTests {
    @Test("--help has an example of the first start and every exit status")
    func help() {
        let help = LatchdCommand.helpMessage(columns: 200)
        #expect(help.contains("latchd --config Config/node1.yaml --bootstrap"))
        for status in ExitStatus.allCases {
            #expect(help.contains("\(status.rawValue)  \(status.meaning)"))
        }
    }

    @Test("Docs/Operations.md has every exit status with its meaning")
    func documentedStatuses() throws {
        let document = try Repository.text("Docs/Operations.md")
        for status in ExitStatus.allCases {
            #expect(document.contains("| \(status.rawValue) | \(status.meaning) |"), "\(status)")
        }
    }

    @Test(
        "a wrong command line is exit status 64", arguments: [[], ["--config"], ["--confg", "x"]])
    func usage(arguments: [String]) {
        #expect {
            try LatchdCommand.parse(arguments)
        } throws: { LatchdCommand.exitCode(for: $0).rawValue == ExitStatus.usage.rawValue }
    }

    @Test("--check and --bootstrap contradict each other")
    func contradiction() {
        #expect(throws: (any Error).self) {
            try LatchdCommand.parse(["--config", "x", "--check", "--bootstrap"])
        }
    }

    @Test("-c is --config")
    func shortOption() throws {
        #expect(try LatchdCommand.parse(["-c", "a.yaml", "--bootstrap"]).config == "a.yaml")
    }
}
