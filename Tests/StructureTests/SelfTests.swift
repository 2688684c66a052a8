import Testing

/// A check that cannot fail proves nothing: each one here meets a sample that it must refuse.
@Suite("The structure checks find what they look for")
struct SelfTests {
    private func core(_ text: String) -> SourceFile {
        SourceFile(path: "Sources/RaftCore/Sample.swift", text: text)
    }

    @Test(
        "imports past the rule are found in every spelling",
        arguments: [
            "import Foundation", "package import LatchMachine", "@testable import NIOCore",
            "@preconcurrency public import Dispatch", "  import struct Foundation.Data",
            "#if canImport(Glibc)\nimport Glibc\n#endif",
        ])
    func forbiddenImports(text: String) throws {
        let rule = try #require(TargetRules.rule(for: "RaftCore"))
        #expect(Checks.imports(core(text), rule: rule).count == 1)
    }

    @Test(
        "allowed imports, and imports in comments and strings, are not found",
        arguments: [
            "package import BinaryCoding", "// import Foundation", "let a = \"import Foundation\"",
        ])
    func allowedImports(text: String) throws {
        let rule = try #require(TargetRules.rule(for: "RaftCore"))
        #expect(Checks.imports(core(text), rule: rule).isEmpty)
    }

    @Test(
        "words that do not belong into the middle are found",
        arguments: [
            "func f() async {}", "await g()", "Task { }", "actor A {}",
            "let now = ContinuousClock.now",
            "Date()", "Int.random(in: 1...2)", "array.shuffled()", "x.hashValue",
            "let a: Double = 1",
            "var s: Set<Int> = []", "for k in votes.keys {", "for v in table.values where v > 1 {",
            "print(1)", "UUID()", "fatalError()",
        ])
    func impureWords(text: String) {
        #expect(Checks.pureWords(core(text)).count == 1)
    }

    @Test(
        "words that only look like them are not found",
        arguments: [
            "// async code awaits a Task", "let text = \"Date\"",
            "Int.random(in: 1...2, using: &generator)",
            "for k in votes.keys.sorted() {", "let asynchronous = 1", "let updateDate = taskCount",
            "array.shuffled(using: &generator)", "/* print(1) */",
        ])
    func pureWords(text: String) {
        #expect(Checks.pureWords(core(text)).isEmpty)
    }

    @Test("lines and files that are too long are found, at the place")
    func lengths() {
        let long = String(repeating: "x", count: 101)
        #expect(Checks.lengths(core("a\n\(long)\n")).map(\.line) == [2])
        #expect(Checks.lengths(core("// \(long)\n")).count == 1)
        #expect(Checks.lengths(core("\"\(long)\"\n")).isEmpty)
        #expect(Checks.lengths(core("\"\(long)\(long)\"\n")).count == 1)
        #expect(Checks.lengths(core(String(repeating: "a\n", count: 401))).count == 1)
        #expect(Checks.lengths(core(String(repeating: "a\n", count: 400))).isEmpty)
        let test = SourceFile(path: "Tests/A/B.swift", text: String(repeating: "a\n", count: 500))
        #expect(Checks.lengths(test).isEmpty)
    }

    @Test("a bare `default:` is found; one that names its open set is not")
    func defaults() {
        #expect(Checks.defaults(core("switch a {\ndefault: break\n}")).map(\.line) == [2])
        #expect(Checks.defaults(core("// default: open set of errno\ndefault: break")).isEmpty)
        #expect(Checks.defaults(core("default: break  // default: open set of integers")).isEmpty)
        #expect(Checks.defaults(core("case \"ms\": 1\ndefault: 2")).isEmpty)
        #expect(Checks.defaults(core("case .a: 1\n    case \"ms\": 1\ndefault: 2")).count == 1)
        #expect(Checks.defaults(core("table[key, default: 0] += 1")).isEmpty)
    }

    @Test("notes without a number are found; numbered ones are not")
    func notes() {
        let word = "TO" + "DO"
        #expect(Checks.unnumberedNotes(core("// \(word): later")).count == 1)
        #expect(Checks.unnumberedNotes(core("// \(word) #12: later")).isEmpty)
    }

    @Test("paths of a machine are found; paths of every machine are not")
    func paths() {
        for folder in ["wo" + "rk", "ho" + "me", "Us" + "ers", "ro" + "ot"] {
            #expect(Checks.machinePaths(core("let a = \"/\(folder)/x\"")).count == 1)
        }
        #expect(
            Checks.machinePaths(core("\"/var/lib/latchd\" \"/tmp/x\" \"a/wo" + "rk/x\"")).isEmpty)
    }

    @Test("dead links and unknown make targets are found")
    func documents() {
        let page = SourceFile(
            path: "Docs/A.md",
            text:
                "[b](B.md) [c](../README.md#top) [d](https://a.org)\n`make build` and `make nothing`\n"
        )
        let dead = Checks.deadLinks(page) { $0 == "README.md" }
        #expect(dead.map(\.message) == ["no such file: B.md"])
        let unknown = Checks.unknownMakeTargets(page, known: ["build"])
        #expect(unknown.map(\.message) == ["no such target: make nothing"])
    }

    @Test("a manifest is read with aliases, products and lists over several lines")
    func manifest() {
        let manifest = Manifest(
            """
            let nio = product("NIOCore", "swift-nio")
            targets: [
                .target(name: "A", swiftSettings: strict),
                .target(
                    name: "B",
                    dependencies: [
                        "A", nio,
                        product("GRDB", "GRDB.swift"),
                    ],
                    swiftSettings: strict),
                .executableTarget(name: "c", dependencies: ["B"], swiftSettings: strict),
            ]
            """)
        #expect(manifest.dependencies == ["A": [], "B": ["A", "NIOCore", "GRDB"], "c": ["B"]])
    }

    @Test("comments and literals of every kind are blanked, and line numbers stay")
    func stripping() {
        let source =
            "a // b\n/* c\n/* d */ */ e\n\"f\\\"g\" #\"h\"i\"# \"\"\"\nj \"k\"\n\"\"\" l #if"
        let code = CodeText.strip(source)
        #expect(code.filter { $0.isLetter } == "aelif")
        #expect(code.split(separator: "\n", omittingEmptySubsequences: false).count == 6)
    }
}
