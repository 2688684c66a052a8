import Foundation
import LocalMachine
import Testing

@testable import latchctl

@Suite("Colours")
struct ColourTests {
    @Test("are for terminals that have them and for people who want them")
    func wish() {
        #expect(Paint.isWanted(isTerminal: true, environment: ["TERM": "xterm"]))
        #expect(Paint.isWanted(isTerminal: true, environment: ["NO_COLOR": ""]))
        #expect(!Paint.isWanted(isTerminal: true, environment: ["NO_COLOR": "1"]))
        #expect(!Paint.isWanted(isTerminal: true, environment: ["TERM": "dumb"]))
        #expect(!Paint.isWanted(isTerminal: false, environment: ["TERM": "xterm"]))
    }

    @Test("a terminal gets them; a pipe, NO_COLOR and --json do not")
    func process() throws {
        // Nothing listens there.
        let status = ["status", "--endpoints", "127.0.0.1:1", "--timeout", "1s"]
        let terminal = ["TERM": "xterm"]
        let coloured = try Program.runOnTerminal(
            BuiltPrograms.latchctl, status, environment: terminal)
        #expect(coloured.contains("\u{1B}[31mNO NODE ANSWERED"), "\(coloured)")
        #expect(coloured.contains("\u{1B}[31mUNREACHABLE"), "\(coloured)")
        let plain = try Program.runOnTerminal(
            BuiltPrograms.latchctl, status, environment: terminal.merging(["NO_COLOR": "1"]) { $1 })
        #expect(plain.contains("NO NODE ANSWERED") && !plain.contains("\u{1B}"), "\(plain)")
        let json = try Program.runOnTerminal(
            BuiltPrograms.latchctl, status + ["--json"], environment: terminal)
        #expect(json.contains("unreachable") && !json.contains("\u{1B}"), "\(json)")
        let file = try Program.run(BuiltPrograms.latchctl, status, environment: terminal)
        #expect(file.code == 2)
        #expect(file.text.contains("NO NODE ANSWERED") && !file.text.contains("\u{1B}"))
    }
}
