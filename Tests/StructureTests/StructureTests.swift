import Foundation
import Testing

@Suite("The repository keeps its own rules")
struct StructureTests {
    /// Fails with every finding of a check, not with the first.
    private func expectNone(_ findings: [Finding]) {
        #expect(findings.isEmpty, "\n\(findings.map(\.description).joined(separator: "\n"))")
    }

    @Test("there are files to look at")
    func notEmpty() {
        #expect(SourceTree.swiftFiles.count > 50)
        #expect(SourceTree.sourceFolders.contains("RaftCore"))
    }

    @Test("every target of Sources has a rule", arguments: SourceTree.sourceFolders)
    func ruled(folder: String) {
        #expect(TargetRules.rule(for: folder) != nil)
    }

    @Test("targets import what their rule allows", arguments: TargetRules.all.map(\.name))
    func imports(target: String) throws {
        let rule = try #require(TargetRules.rule(for: target))
        let files = SourceTree.swiftFiles.filter { $0.target == target }
        expectNone(files.flatMap { Checks.imports($0, rule: rule) })
    }

    @Test("the pure middle has no clock, no waiting, no randomness, no hash order")
    func pureTargets() {
        let pure = Set(TargetRules.all.filter(\.isPure).map(\.name))
        let files = SourceTree.swiftFiles.filter { pure.contains($0.target ?? "") }
        #expect(!files.isEmpty)
        expectNone(files.flatMap(Checks.pureWords))
    }

    @Test("the storage and the transport do not know each other, nor the core the machine")
    func strangers() {
        let pairs = [
            ("RaftStorage", "PeerTransport"), ("RaftCore", "LatchMachine"),
            ("GRPCEdge", "LatchNode"),
        ]
        for (left, right) in pairs {
            #expect(TargetRules.rule(for: left)?.targets.contains(right) == false)
            #expect(TargetRules.rule(for: right)?.targets.contains(left) == false)
        }
        let servers: Set = [
            "RaftCore", "LatchMachine", "RaftStorage", "PeerTransport", "LatchNode", "LatchService",
        ]
        for client in ["LatchClient", "latchctl", "LatchAPI"] {
            #expect(TargetRules.rule(for: client)?.targets.isDisjoint(with: servers) == true)
        }
    }

    @Test("Package.swift declares the dependencies of the rules, no more and no fewer")
    func manifest() throws {
        let manifest = Manifest(try #require(SourceTree.file("Package.swift")).text)
        // A system library has no dependencies to declare.
        for rule in TargetRules.all where !["CNGHTTP2", "CProcess"].contains(rule.name) {
            let declared = try #require(
                manifest.dependencies[rule.name], "\(rule.name) is not declared")
            #expect(declared == rule.targets.union(rule.products), "\(rule.name)")
        }
    }

    /// It compiles the same sources a second time, and only `make fuzz` would notice.
    @Test("the fuzzers' package gives its targets the dependencies that they have here")
    func fuzzManifest() throws {
        let here = Manifest(try #require(SourceTree.file("Package.swift")).text)
        let there = Manifest(try #require(SourceTree.file("Tests/Fuzz/Package.swift")).text)
        for (target, declared) in there.dependencies.sorted(by: { $0.key < $1.key }) {
            // Of latchd only the configuration is in it.
            guard target != "latchd", let expected = here.dependencies[target] else { continue }
            #expect(declared == expected, "\(target)")
        }
        let rule = TargetRule(
            name: "latchd among the fuzzers",
            targets: try #require(there.dependencies["latchd"]))
        let fuzzed = SourceTree.swiftFiles.filter {
            $0.path.hasPrefix("Sources/latchd/Configuration/")
        }
        #expect(!fuzzed.isEmpty)
        expectNone(fuzzed.flatMap { Checks.imports($0, rule: rule) })
    }

    @Test("lines have at most 100 columns (with literals 120), files 400 lines (tests: 500)")
    func lengths() {
        expectNone(SourceTree.swiftFiles.flatMap(Checks.lengths))
    }

    /// At the level of sockets the number of TCP_NODELAY means SO_DEBUG, which only root may set.
    @Test("options of TCP are set at the level of TCP")
    func optionLevels() {
        let wrong = SourceTree.swiftFiles.filter { $0.code.contains("socketOption(.tcp_") }
        #expect(wrong.map(\.path) == [])
    }

    @Test("a `default:` says which open set it stands for")
    func defaults() {
        expectNone(SourceTree.swiftFiles.filter { $0.target != nil }.flatMap(Checks.defaults))
    }

    @Test("notes for later have an issue's number; no file knows a machine")
    func notesAndPaths() {
        expectNone(SourceTree.allText.flatMap(Checks.unnumberedNotes))
        expectNone(SourceTree.allText.flatMap(Checks.machinePaths))
    }

    @Test("tests are written with swift-testing")
    func noXCTest() {
        let name = "XC" + "Test"
        #expect(
            SourceTree.swiftFiles.filter { $0.code.contains("import \(name)") }.map(\.path) == [])
    }
}
