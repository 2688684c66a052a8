import Foundation
import Testing

@testable import latchd

@Suite("Configuration: the shipped files")
struct ShippedConfigurationTests {
    static let files = [
        "Config/node1.yaml", "Config/node2.yaml", "Config/node3.yaml",
        "Config/docker/node1.yaml", "Config/docker/node2.yaml", "Config/docker/node3.yaml",
    ]

    private func load(_ file: String) throws -> LoadedConfiguration {
        try ConfigurationLoader.load(path: Repository.root.appendingPathComponent(file).path)
    }

    @Test("each loads without a warning", arguments: files)
    func loads(file: String) throws {
        #expect(try load(file).warnings.isEmpty)
    }

    @Test(
        "the three files of a set are three members of one cluster",
        arguments: ["Config", "Config/docker"])
    func oneCluster(folder: String) throws {
        let nodes = try (1...3).map { try load("\(folder)/node\($0).yaml").configuration }
        #expect(nodes.map(\.node) == [1, 2, 3])
        #expect(Set(nodes.map(\.clusterID)).count == 1)
        #expect(Set(nodes.map(\.memberDigest)).count == 1)
    }

    @Test("the three files of one machine share neither ports nor data")
    func oneMachine() throws {
        let nodes = try (1...3).map { try load("Config/node\($0).yaml").configuration }
        #expect(nodes.map(\.peerListen.port) == [7301, 7302, 7303])
        #expect(nodes.map(\.clientListen.port) == [7401, 7402, 7403])
        let data = Repository.root.appendingPathComponent("data").path
        #expect(nodes.map(\.dataDirectory) == (1...3).map { "\(data)/node\($0)" })
    }

    @Test("what the comments call the default is the default")
    func commentedDefaults() throws {
        let shipped = try Repository.text("Config/node1.yaml")
        let folder = Repository.root.appendingPathComponent("Config").path
        let sections = ["# sessions:", "# limits:", "# snapshot:"]
        var isOpen = false
        var opened = 0
        let lines = shipped.components(separatedBy: "\n").map { line -> String in
            if sections.contains(line) {
                isOpen = true
                opened += 1
            } else if !line.hasPrefix("#  ") {
                isOpen = false
            }
            guard isOpen || line.hasPrefix("  # unreachable") else { return line }
            return line.replacing("# ", with: "", maxReplacements: 1)
        }
        #expect(opened == sections.count)
        let written = try ConfigurationLoader.parse(
            Array(lines.joined(separator: "\n").utf8), file: "node1.yaml", directory: folder)
        #expect(try written == load("Config/node1.yaml"))
        #expect(try load("Config/node1.yaml").configuration.raft == NodeConfiguration.Raft())
    }

    @Test("the effective settings, loaded again, are the same settings", arguments: files)
    func printedSettings(file: String) throws {
        let loaded = try load(file)
        let printed = ConfigurationPrinter.yaml(loaded, file: file)
        let again = try ConfigurationLoader.parse(
            Array(printed.utf8), file: "printed", directory: "/")
        #expect(again.configuration == loaded.configuration)
    }

    @Test("--check shows each warning as a comment line")
    func printedWarnings() throws {
        let loaded = try ConfigurationLoader.parse(Array(smallest.utf8), file: "f", directory: "/")
        let printed = ConfigurationPrinter.yaml(loaded, file: "f.yaml")
        #expect(
            printed.split(separator: "\n")[1]
                == "# WARNING: f.yaml:5:3: members: one member: nothing takes over when this node stops."
        )
    }
}
