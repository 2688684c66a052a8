import Foundation
import Testing

/// Nil where it is not installed.
private let promtool = (ProcessInfo.processInfo.environment["PATH"] ?? "")
    .split(separator: ":").map { "\($0)/promtool" }
    .first { FileManager.default.isExecutableFile(atPath: $0) }

/// What `Config/monitoring` ships. `make site` asks a real Prometheus too.
@Suite("Alerts")
struct AlertTests {
    @Test(
        "promtool: all is well formed, and every alert fires on what it is for",
        .enabled(if: promtool != nil, "promtool is not installed"),
        arguments: [
            ["check", "config", "prometheus.yaml"], ["test", "rules", "alerts.test.yaml"],
        ])
    func wellFormed(arguments: [String]) throws {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(promtool))
        process.arguments = arguments
        process.currentDirectoryURL = SiteTests.monitoring
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let said = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(String(decoding: said, as: UTF8.self))")
    }

    @Test("every alert fires in a test of its own, and Docs/Operations.md says what to do")
    func complete() throws {
        let names = try text("alerts.yaml").matches(of: /- alert: (\w+)/)
            .map { String($0.output.1) }
        let tests = try text("alerts.test.yaml").components(separatedBy: "eval_time")
        let document = try text("../../Docs/Operations.md")
        #expect(names.count > 5)
        for name in names {
            #expect(tests.contains { $0.contains(name) && $0.contains("exp_alerts") }, "\(name)")
            #expect(document.contains("`\(name)`"), "\(name)")
        }
    }

    private func text(_ file: String) throws -> String {
        try String(
            contentsOf: SiteTests.monitoring.appendingPathComponent(file), encoding: .utf8)
    }
}
