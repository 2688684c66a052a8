import Foundation
import RaftSimulation
import Testing

/// Scripts of whole clusters, in `Scenarios/`. `LATCH_REWRITE=1` writes the transcripts anew:
/// commit the difference only if you can explain it.
@Suite("Scenarios")
struct ScenarioTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Scenarios")

    static let names: [String] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: folder.path())
        return (files ?? []).filter { $0.hasSuffix(".txt") }.sorted()
    }()

    @Test("a scenario gives its transcript, byte for byte", arguments: names)
    func transcript(name: String) throws {
        let file = ScenarioTests.folder.appending(path: name)
        let expected = try String(contentsOf: file, encoding: .utf8)
        let actual = try Scenario(name: name, text: expected).replay()
        if ProcessInfo.processInfo.environment["LATCH_REWRITE"] == "1" {
            try actual.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        #expect(
            actual == expected,
            "\(name) differs; see it with LATCH_REWRITE=1 swift test --filter ScenarioTests")
    }

    @Test("there are scenarios, and each begins with a claim")
    func claims() throws {
        #expect(ScenarioTests.names.count >= 15)
        for name in ScenarioTests.names {
            let file = ScenarioTests.folder.appending(path: name)
            let text = try String(contentsOf: file, encoding: .utf8)
            #expect(text.hasPrefix("# "), "\(name) begins with a claim")
        }
    }
}
