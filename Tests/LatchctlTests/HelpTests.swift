import ArgumentParser
import Foundation
import Testing

@testable import LatchClient
@testable import latchctl

@Suite("What latchctl says of itself")
struct HelpTests {
    @Test("the tool has its verbs")
    func verbs() {
        #expect(Verb.all.count > 15)
        #expect(Verb.all.map(\.name).contains("config check"))
    }

    @Test("every --help has an example that is understood, and the exit codes", arguments: Verb.all)
    func examples(verb: Verb) throws {
        let help = Latchctl.helpMessage(for: verb.type, columns: 200)
        #expect(help.contains("Exit codes: "))
        let lines = verb.type.configuration.discussion.split(separator: "\n")
            .filter { $0.hasPrefix("  latchctl ") }
        try #require(!lines.isEmpty)
        for line in lines {
            let words = try #require(commandWords(String(line)), "\(line)")
            let own = Array(words.prefix { $0 != "|" })
            #expect(own.starts(with: verb.words), "\(line)")
            // Throws for what is no command line, and for one that is out of its bounds.
            let command = try Latchctl.parseAsRoot(Array(own.dropFirst()))
            if verb.isLeaf { #expect(type(of: command) == verb.type, "\(line)") }
            #expect(help.contains(line), "\(line)")
        }
    }

    @Test("Docs/CommandLine.md names every verb, and every exit code of latchctl")
    func documented() throws {
        let document = try Repository.text("Docs/CommandLine.md")
        for verb in Verb.all where verb.isLeaf {
            #expect(document.contains("`\(verb.name)"), "\(verb.name)")
        }
        for code in [Exit.failure, Exit.unhealthy, Exit.lost, Exit.notFound] {
            #expect(document.contains("\n| \(code.rawValue) | "), "\(code.rawValue)")
        }
        #expect(document.contains("\n| \(Exit.interrupted) | "))
    }

    @Test("hold and run take part under the same option, and say nothing of names being unique")
    func participants() throws {
        for verb in Verb.all where ["hold", "run"].contains(verb.name) {
            let help = Latchctl.helpMessage(for: verb.type, columns: 200)
            #expect(help.contains("A name to take part under, for people to read."), "\(verb.name)")
            #expect(!help.contains("unique"))
        }
        let named = try ParticipantOptions.parse(["--participant", "a b"])
        #expect(named.makeName() == "a b")
        let unnamed = try ParticipantOptions.parse([])
        #expect(unnamed.makeName() != unnamed.makeName())
        #expect(throws: (any Error).self) { try ParticipantOptions.parse(["--participant", ""]) }
    }

    @Test("a first word that is no verb is told as such, with the verbs that are like it")
    func firstWord() throws {
        let mistyped = try #require(Latchctl.objection(to: ["stat", "--json"]))
        #expect(mistyped.hasPrefix("there is no verb \"stat\". Did you mean status?"))
        for verb in ["run", "hold", "config"] { #expect(mistyped.contains(verb)) }
        for word in ["xyz", ""] {
            #expect(Latchctl.objection(to: [word])?.contains("Did you mean") == false)
        }
        #expect(
            Latchctl.objection(to: ["--endpoints", "10.0.0.1:7401", "get", "a"])
                == "options stand after the verb: latchctl get --endpoints …")
    }

    @Test(
        "what the parser understands, it is left to judge",
        arguments: [
            [], ["--help"], ["-h", "run"], ["--help", "run"], ["--version"], ["help", "run"],
            ["--generate-completion-script", "bash"], ["---completion", "get", "--", "name"],
            ["get", "--nonsense"], ["--nonsense"],
        ])
    func firstWordOfTheParser(words: [String]) {
        #expect(Latchctl.objection(to: words) == nil)
    }

    @Test("every verb is a first word")
    func firstWords() {
        for verb in Verb.all where !verb.words.dropFirst().isEmpty {
            #expect(Latchctl.objection(to: Array(verb.words.dropFirst())) == nil, "\(verb.name)")
        }
    }

    @Test("a span of time without its unit, or with a wrong one, is told how to write it")
    func spans() throws {
        func objection(_ text: String) -> String {
            do {
                _ = try Latchctl.parseAsRoot(["hold", "a", "--ttl", text])
                return ""
            } catch {
                return Latchctl.message(for: error)
            }
        }
        #expect(objection("5").contains("The unit is missing: 5ms, 5s, 5m or 5h?"))
        #expect(objection("5 parsecs").contains("The unit is ms, s, m or h"))
        #expect(objection("soon").contains("Write a number and its unit"))
        #expect(objection("1.5s").contains("The unit is ms, s, m or h"))
        #expect(objection("99999999999s").contains("too long"))
        #expect(objection("25h").contains("between 10ms and 24h, not 90000s"))
        #expect(objection("24h").isEmpty)
        for verb in Verb.all where ["hold", "run", "doctor"].contains(verb.name) {
            let help = Latchctl.helpMessage(for: verb.type, columns: 200)
            let options = help.components(separatedBy: "\n  --")
            for (option, span) in [("ttl", "10s"), ("timeout", "5s")] {
                let text = options.first { $0.hasPrefix("\(option) <duration>") }
                #expect(text?.contains("Default: \(span).") == true, "\(verb.name) \(option)")
            }
        }
    }

    @Test("what is published has at most 1024 bytes")
    func published() throws {
        let longest = String(repeating: "ü", count: 512)
        let hold = try Hold.parse(["job", "--publish", longest])
        #expect(hold.publish == longest)
        #expect(throws: (any Error).self) { try Hold.parse(["job", "--publish", longest + "x"]) }
    }
}

@Suite("Whom an eviction means")
struct EvictedPlaceTests {
    private func latch(_ participants: [String], sessions: [UInt64]) -> LatchInfo {
        LatchInfo(
            namespace: "n", name: "x", term: 1, holder: participants.first,
            participants: participants, fencingToken: 7, sessionIDs: sessions, index: 1)
    }

    @Test("the first of the name, or that of the session; places tell who holds")
    func places() {
        let queue = latch(["a", "b", "a"], sessions: [11, 12, 13])
        #expect(evictedPlace(in: queue, "a", session: nil) == 0)
        #expect(evictedPlace(in: queue, "b", session: nil) == 1)
        #expect(evictedPlace(in: queue, "a", session: 13) == 2)
        #expect(evictedPlace(in: queue, "b", session: 13) == nil)
        #expect(evictedPlace(in: queue, "c", session: nil) == nil)
    }

    @Test("the names are equal when their bytes are; sessions may be unknown")
    func others() {
        let composed = latch(["e\u{301}", "\u{E9}"], sessions: [])
        #expect(evictedPlace(in: composed, "\u{E9}", session: nil) == 1)
        #expect(evictedPlace(in: composed, "\u{E9}", session: 11) == nil)
    }
}
