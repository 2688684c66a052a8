import ArgumentParser
import Foundation
import Testing

@testable import latchctl

@Suite("What the package ships beside the programs")
struct PackagingTests {
    private static let bash = Program.find("bash")

    @Test("bash takes the completion script", .enabled(if: bash != nil))
    func syntax() throws {
        try withFolder { folder in
            let script = folder.appendingPathComponent("latchctl.bash")
            try Latchctl.completionScript(for: .bash)
                .write(to: script, atomically: true, encoding: .utf8)
            let check = try Program.run(try #require(Self.bash), ["-n", script.path])
            #expect(check.code == 0 && check.text.isEmpty, "\(check.text)")
        }
    }

    @Test("bash offers every verb where it may stand", .enabled(if: bash != nil))
    func completion() throws {
        let verbs = Verb.all.filter { $0.words.count > 1 }
        // A word that is whole is no longer completed.
        let questions = verbs.map { verb in
            let words = verb.words.dropLast() + [String((verb.words.last ?? "").dropLast())]
            return """
                COMP_WORDS=(\(words.joined(separator: " "))); COMP_CWORD=\(words.count - 1)
                COMP_LINE='\(words.joined(separator: " "))'; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
                _latchctl latchctl '\(words.last ?? "")' '\(words.dropLast().last ?? "")'
                echo "${COMPREPLY[*]}"
                """
        }
        let script = [Latchctl.completionScript(for: .bash)] + questions + [""]
        let completed = try Program.run(
            try #require(Self.bash), ["--norc"], input: script.joined(separator: "\n"))
        let answers = completed.text.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(answers.count == verbs.count + 1, "\(completed.text)")
        for (verb, answer) in zip(verbs, answers) {
            let offered = answer.split(separator: " ").map(String.init)
            #expect(offered.contains(verb.words.last ?? ""), "\(verb.name): \(answer)")
        }
    }

    @Test("zsh and fish are told every verb", arguments: [CompletionShell.zsh, .fish])
    func otherShells(shell: CompletionShell) throws {
        let script = Latchctl.completionScript(for: shell)
        for verb in Verb.all {
            let word = verb.words.last ?? ""
            let whole = try Regex("\\b\(word)\\b")
            #expect(script.firstRange(of: whole) != nil, "\(word)")
        }
    }

    /// Writes the pages as the package does, and hands over their folder.
    private func withPages(_ body: (URL) throws -> Void) throws {
        try withFolder { folder in
            let script = Repository.root.appendingPathComponent("Packaging/manpages.py")
            let made = try Program.run(
                try #require(Program.find("python3")), [script.path, folder.path],
                input: Latchctl._dumpHelp())
            #expect(made.code == 0 && made.text.isEmpty, "\(made.text)")
            try body(folder)
        }
    }

    @Test(
        "there is a manual page for every verb, with all that --help says",
        .enabled(if: Program.find("python3") != nil))
    func pages() throws {
        try withPages { folder in
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(Set(names) == Set(Verb.all.map { $0.title + ".1" }))
            for verb in Verb.all {
                let page = try String(
                    contentsOf: folder.appendingPathComponent(verb.title + ".1"), encoding: .utf8
                ).replacing("\\-", with: "-").replacing("\\(aq", with: "'")
                #expect(page.contains(verb.type.configuration.abstract.dropLast()), "\(verb.title)")
                #expect(page.contains(".SH EXIT STATUS\n"), "\(verb.title)")
                for below in verb.type.configuration.subcommands {
                    #expect(page.contains("\(verb.title)-\(below._commandName) (1)"))
                }
                guard verb.isLeaf else { continue }
                #expect(page.contains(".SH OPTIONS\n"), "\(verb.title)")
                #expect(page.contains(".SH EXAMPLES\n.nf\nlatchctl "), "\(verb.title)")
            }
        }
    }

    @Test(
        "every manual page can be set without a complaint",
        .enabled(if: Program.find("mandoc", "groff") != nil),
        .enabled(if: Program.find("python3") != nil))
    func rendering() throws {
        try withPages { folder in
            let own = Repository.root.appendingPathComponent("Packaging/man")
            for pages in [folder, own] {
                for name in try FileManager.default.contentsOfDirectory(atPath: pages.path) {
                    let page = pages.appendingPathComponent(name).path
                    try #expect(complaints(of: page) == "", "\(name)")
                }
            }
        }
    }

    /// What the typesetter at hand says of a page.
    private func complaints(of page: String) throws -> String {
        if let mandoc = Program.find("mandoc") {
            let lint = try Program.run(mandoc, ["-T", "lint", "-W", "warning", page])
            // A page without a date is the same page whenever it is made.
            return lint.text.split(separator: "\n").filter { !$0.contains("missing date") }
                .joined(separator: "\n")
        }
        let groff = try #require(Program.find("groff"))
        return try Program.run(groff, ["-k", "-man", "-T", "utf8", "-w", "w", "-z", page]).text
    }
}
