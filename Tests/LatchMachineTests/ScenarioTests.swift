import Foundation
import Testing

@Suite("Scenarios")
struct ScenarioTests {
    /// `Scenarios` beside this file.
    private static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")
    }

    static var names: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return (names ?? []).filter { $0.hasSuffix(".txt") }.sorted()
    }

    @Test("every scenario file has exactly the transcript it shows", arguments: names)
    func transcript(_ name: String) throws {
        let file = Self.folder.appending(path: name)
        let expected = try String(contentsOf: file, encoding: .utf8)
        let actual = try ScenarioRunner.replay(expected)
        if ProcessInfo.processInfo.environment["LATCH_REWRITE"] == "1" {
            try actual.write(to: file, atomically: true, encoding: .utf8)
        } else {
            let difference = zip(
                expected.split(separator: "\n", omittingEmptySubsequences: false),
                actual.split(separator: "\n", omittingEmptySubsequences: false)
            ).first { $0 != $1 }
            #expect(
                actual == expected,
                "first difference: \(difference.map { "shown '\($0)', is '\($1)'" } ?? "length")")
        }
    }

    @Test("there are scenarios")
    func present() {
        #expect(Self.names.count >= 8)
    }
}
