import ArgumentParser
import Foundation
import Testing

@testable import latchd

@Suite("Configuration: the files of a cluster, compared")
struct ConfigurationSetTests {
    private func node(_ id: Int, _ changes: (String, String)...) throws -> ConfigurationSet.File {
        var text = three.replacing("node: 1", with: "node: \(id)")
            .replacing("/data", with: "/data\(id)")
        for (old, new) in changes {
            #expect(text.contains(old))
            text = text.replacing(old, with: new)
        }
        return ConfigurationSet.File(name: "\(id).yaml", loaded: try load(text))
    }

    private func problems(_ files: ConfigurationSet.File...) -> [String] {
        ConfigurationSet(files).problems
    }

    @Test("three files of one cluster have nothing against each other")
    func good() throws {
        let set = ConfigurationSet(try (1...3).map { try node($0) })
        #expect(set.problems.isEmpty && set.warnings.isEmpty)
        #expect(ConfigurationSet([]).problems.isEmpty)
    }

    @Test("another name, incarnation or node: with line and key, and what is wanted")
    func identity() throws {
        #expect(
            try problems(node(1), node(2, ("demo", "dome"))) == [
                "2.yaml:1:10: cluster: \"dome\", but \"demo\" in 1.yaml. "
                    + "All nodes of a cluster give it one name."
            ])
        #expect(
            try problems(node(1), node(2, ("members:", "incarnation: 7\nmembers:"))) == [
                "2.yaml:4:14: incarnation: 7, but 0 in 1.yaml. All nodes have the same."
            ])
        #expect(
            try problems(node(1), node(1)) == [
                "1.yaml:2:7: node: 1 is the node of 1.yaml, too. Every node has its own id."
            ])
    }

    @Test("other members, named one by one; client addresses only warn")
    func members() throws {
        let lines = try problems(node(1), node(2, ("c:7301", "d:7301"), ("id: 1", "id: 4")))
        #expect(
            lines
                == [
                    "member 3 has the peer address d:7301, but c:7301 in 1.yaml.",
                    "member 4 is not in 1.yaml.",
                    "member 1 of 1.yaml is missing.",
                ].map { "2.yaml:5:3: members: \($0) All nodes have the same list." })
        let client = ConfigurationSet([try node(1), try node(2, ("c:7401", "c:7402"))])
        #expect(client.problems.isEmpty)
        #expect(client.warnings.count == 1 && client.warnings[0].contains("c:7402"))
    }

    /// The members of ``three`` on one host.
    private let together: [(String, String)] = [
        ("\"a:7301\"", "\"h:7301\""), ("\"a:7401\"", "\"h:7401\""),
        ("\"b:7301\"", "\"h:7302\""), ("\"b:7401\"", "\"h:7402\""),
    ]

    @Test("on one host neither ports nor directories are shared; on several they may be")
    func hosts() throws {
        let listen = ("members:", "listen: {client: \"0.0.0.0:7400\"}\nmembers:")
        #expect(try problems(node(1, listen), node(2, listen, ("/data2", "/data1"))) == [])
        let (a, b, c, d) = (together[0], together[1], together[2], together[3])
        #expect(try problems(node(1, a, b, c, d), node(2, a, b, c, d)) == [])
        let lines = try problems(
            node(1, a, b, c, d, listen), node(2, a, b, c, d, listen, ("/data2", "/data1")))
        #expect(
            lines == [
                "2.yaml:3:7: data: \"/data1\" is the directory of 1.yaml, too, on the same host. "
                    + "Every node has its own.",
                "2.yaml:4:18: listen.client: 0.0.0.0:7400 is taken by 1.yaml (0.0.0.0:7400) on the same "
                    + "host. Every node has its own ports there.",
            ])
    }

    @Test("what is shipped is one cluster; a file that is none is told beside what is")
    func report() throws {
        let files = (1...3).map { id in
            Repository.root.appendingPathComponent("Config/node\(id).yaml").path
        }
        let good = ConfigurationReport(files: files)
        #expect(good.problems == [])
        #expect(good.findings.last == "3 files of one cluster of 3 nodes: nothing is wrong.")
        let two = ConfigurationReport(files: Array(files.dropLast()))
        #expect(two.problems == [])
        #expect(two.findings.last?.hasSuffix("There is none of node 3.") == true)

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let wrong = folder.appendingPathComponent("wrong.yaml")
        try "cluster: demo\nnode: 9x\nmenbers: []\n".write(
            to: wrong, atomically: true, encoding: .utf8)
        let bad = ConfigurationReport(files: [files[0], wrong.path, files[0]])
        #expect(bad.findings.count == 2)
        #expect(bad.problems.contains { $0.hasPrefix("\(wrong.path):2:7: node: ") })
        #expect(bad.problems.contains { $0.contains("menbers") && $0.contains("members") })
        #expect(bad.problems.contains { $0.contains("is the node of") })
        #expect(bad.problems.last?.hasSuffix("problems in 3 files: nothing was started.") == true)
    }
}

@Suite("The command line: files to check")
struct CheckCommandTests {
    @Test("--check takes files with --config or without")
    func files() throws {
        #expect(try LatchdCommand.parse(["--check", "a", "b"]).files == ["a", "b"])
        let both = try LatchdCommand.parse(["--config", "a", "--check", "b"])
        #expect(both.config == "a" && both.files == ["b"])
    }

    @Test("a node is started with one file", arguments: [["a"], ["-c", "a", "b"], ["--check"]])
    func refused(arguments: [String]) {
        #expect {
            try LatchdCommand.parse(arguments)
        } throws: { LatchdCommand.exitCode(for: $0).rawValue == ExitStatus.usage.rawValue }
    }

    @Test("the manual page has every option and every exit status")
    func manual() throws {
        let page = try Repository.text("Packaging/man/latchd.8").replacing("\\-", with: "-")
        for option in ["--config", "--check", "--bootstrap", "--version", "--help"] {
            #expect(page.contains(option), "\(option)")
        }
        for status in ExitStatus.allCases {
            #expect(page.contains("\n.B \(status.rawValue)\n"), "\(status)")
        }
    }
}
