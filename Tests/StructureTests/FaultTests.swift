import Foundation
import Testing

/// Docs/Faults.md says what shows each fault: what it names has to be there.
@Suite("Docs/Faults.md names what exists")
struct FaultTests {
    private let document: SourceFile

    init() throws { document = try #require(SourceTree.file("Docs/Faults.md")) }

    /// The rows that can be looked up; `| id | what goes wrong | what shows it |`.
    private var rows: [[String]] {
        document.lines.filter { $0.firstMatch(of: #/^\| [A-Z]\d+ \|/#) != nil }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// Why a reference like `Folder/File.function` leads nowhere; nil if it leads to one test.
    static func objection(to reference: Substring, in files: [SourceFile]) -> String? {
        let parts = reference.split(separator: ".")
        let path = parts[0].split(separator: "/")
        let found = files.filter { file in
            file.path.hasSuffix("/\(path[path.count - 1]).swift")
                && (path.count == 1 || file.path.hasPrefix("Tests/\(path[0])/"))
        }
        guard found.count == 1 else { return "\(reference): \(found.count) files" }
        guard found[0].code.contains("func \(parts[1])(") else { return "\(reference): no test" }
        return nil
    }

    @Test("each row says something, and its tests are there")
    func tests() {
        #expect(rows.count == 224)
        #expect(Set(rows.map { $0[0] }).count == rows.count, "an id stands there twice")
        let files = SourceTree.swiftFiles.filter { $0.path.hasPrefix("Tests/") }
        var count = 0
        for row in rows {
            #expect(row.count == 3 && !row[2].isEmpty, "\(row)")
            #expect(row[1].split(separator: " ").count <= 12, "\(row[1])")
            for match in row[2].matches(of: #/`((?:\w+/)?\w+Tests\.\w+)`/#) {
                count += 1
                let objection = Self.objection(to: match.1, in: files)
                #expect(objection == nil, "\(row[0])")
            }
        }
        #expect(count > 200)
    }

    @Test("scenarios, mutants, topologies and faults are there")
    func others() throws {
        let mutants = try #require(SourceTree.file("Tests/Mutants/mutants.toml")).text
        let swarm = try #require(SourceTree.file("Tests/RaftSimulation/SwarmOptions.swift")).text
        let chaos = try #require(SourceTree.file("Tests/Chaos/Kit/FaultKind.swift")).text
        let topologies = try #require(SourceTree.file("Tests/Chaos/Kit/Topology.swift")).text
        let scenarios = SourceTree.allText.filter { $0.path.contains("/Scenarios/") }
        for row in rows {
            let text = row[2]
            for match in text.matches(of: #/`([\w-]+\.txt)`/#) {
                #expect(scenarios.contains { $0.path.hasSuffix("/\(match.1)") }, "\(match.1)")
            }
            for list in text.matches(of: #/mutants? ((?:[A-Z]\d\d(?:, )?)+)/#) {
                for id in list.1.matches(of: #/[A-Z]\d\d/#) {
                    #expect(mutants.contains("id = \"\(id.0)\""), "\(row[0]): mutant \(id.0)")
                }
            }
            for list in text.matches(of: #/(swarm|chaos) ((?:`[\w-]+`(?:, )?)+)/#) {
                for name in list.2.matches(of: #/`([\w-]+)`/#) {
                    let isThere =
                        list.1 == "swarm"
                        ? swarm.contains("var \(name.1) ") || swarm.contains("var \(name.1):")
                        : chaos.contains("case \(name.1)\n") || chaos.contains("\"\(name.1)\"")
                    #expect(isThere, "\(row[0]): \(list.1) \(name.1)")
                }
            }
            for list in text.matches(of: #/topolog(?:y|ies) ((?:"[^"]+"(?:, )?)+)/#) {
                for name in list.1.matches(of: #/"([^"]+)"/#) {
                    #expect(topologies.contains("\"\(name.1)\""), "\(row[0]): \(name.1)")
                }
            }
        }
    }

    @Test("a reference that leads nowhere is found")
    func deadReferences() {
        let files = ["Tests/A/XTests.swift", "Tests/B/XTests.swift", "Tests/B/YTests.swift"].map {
            SourceFile(path: $0, text: "struct T { func there() {} }\n// func gone() {}\n")
        }
        #expect(Self.objection(to: "B/XTests.there", in: files) == nil)
        #expect(Self.objection(to: "YTests.there", in: files) == nil)
        for reference in ["XTests.there", "ZTests.there", "YTests.gone", "A/YTests.there"] {
            #expect(Self.objection(to: reference[...], in: files) != nil, "\(reference)")
        }
    }
}
