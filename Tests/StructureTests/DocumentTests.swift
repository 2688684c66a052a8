import Foundation
import Testing

@Suite("The documents agree with the tree")
struct DocumentTests {
    private func expectNone(_ findings: [Finding]) {
        #expect(findings.isEmpty, "\n\(findings.map(\.description).joined(separator: "\n"))")
    }

    @Test("Docs/Architecture.md names every target", arguments: SourceTree.sourceFolders)
    func codemap(folder: String) throws {
        let document = try #require(SourceTree.file("Docs/Architecture.md"))
        #expect(document.text.contains("`\(folder)`"))
    }

    @Test("links between documents lead somewhere")
    func links() {
        expectNone(
            SourceTree.documents.flatMap { document in
                Checks.deadLinks(document) { path in
                    FileManager.default.fileExists(
                        atPath: SourceTree.root.appendingPathComponent(path).path)
                }
            })
    }

    @Test("every make target that a document names exists, and `make help` explains every target")
    func makeTargets() throws {
        let makefile = try #require(SourceTree.file("Makefile"))
        let targets = makefile.lines.compactMap { line -> (name: String, explained: Bool)? in
            guard let match = line.firstMatch(of: #/^([a-z]+):/#) else { return nil }
            return (String(match.1), line.contains("## "))
        }
        #expect(targets.count > 10)
        #expect(targets.filter { !$0.explained }.map(\.name) == [])
        let known = Set(targets.map(\.name))
        expectNone(SourceTree.documents.flatMap { Checks.unknownMakeTargets($0, known: known) })
    }

    @Test("decision records are numbered without a gap")
    func decisions() throws {
        let folder = SourceTree.root.appendingPathComponent("Docs/Decisions").path
        let numbers = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            .compactMap { Int($0.prefix(4)) }
        #expect(numbers == Array(1...max(1, numbers.count)))
    }
}
