import ArgumentParser
import Foundation
import Logging

/// The command line: reads the configuration, then runs the node or says what is wrong.
@main
struct LatchdCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "latchd",
        abstract:
            "One node of a latch cluster: decides who holds a named latch, and tells everybody.",
        discussion: """
            EXAMPLES
              The very first start of a node, once, with an empty data directory:
                latchd --config Config/node1.yaml --bootstrap
              Every later start:
                latchd --config Config/node1.yaml
              Check a file and see the effective settings, without starting anything:
                latchd --config Config/node1.yaml --check
              Check the files of a whole cluster, also against each other:
                latchd --check Config/node1.yaml Config/node2.yaml Config/node3.yaml

            EXIT STATUS
            \(ExitStatus.table)

            Logs go to standard error. SIGTERM and SIGINT hand leadership over and stop the node.
            """,
        version: "latchd \(latchdVersion)")

    @Option(
        name: [.long, .customShort("c")],
        help: ArgumentHelp("The YAML file of this node; see Config/node1.yaml.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Argument(
        help: ArgumentHelp("With --check: the files of more nodes.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String] = []

    @Flag(
        help:
            "Check the file, print the effective settings and warnings, start nothing. Several are compared."
    )
    var check = false

    @Flag(
        help:
            "Create the data of a new node. For the first start only; existing data stays as it is."
    )
    var bootstrap = false

    mutating func validate() throws {
        guard !check || !bootstrap else {
            throw ValidationError("--check starts nothing, so --bootstrap has no meaning with it.")
        }
        guard check || files.isEmpty else {
            throw ValidationError(
                "Name the node's file after --config; only --check takes several.")
        }
        guard config != nil || !files.isEmpty else {
            throw ValidationError("Name the node's file, as in: latchd --config FILE")
        }
    }

    mutating func run() async throws {
        let all = [config].compactMap(\.self) + files
        guard all.count == 1, let config = all.first else { return try check(all) }
        let loaded = try load(config)
        guard !check else {
            print(ConfigurationPrinter.yaml(loaded, file: config), terminator: "")
            return
        }
        let logger = loaded.configuration.log.logger(label: "latchd", sink: .standardError)
        defer { LogSink.standardError.flush() }
        for warning in loaded.warnings {
            logger.warning("configuration: \(warning.line(file: config))")
        }
        do {
            try await Server(
                configuration: loaded.configuration, bootstrap: bootstrap, logger: logger
            )
            .runUntilSignal()
        } catch {
            let status = (error as? StartFailure)?.status ?? .systemError
            logger.critical("\(error)", metadata: ["status": .stringConvertible(status.rawValue)])
            throw ExitCode(status.rawValue)
        }
    }

    private func load(_ file: String) throws -> LoadedConfiguration {
        do {
            return try ConfigurationLoader.load(path: file)
        } catch {
            FileHandle.standardError.write(Data((error.description + "\n").utf8))
            throw ExitCode(ExitStatus.badConfiguration.rawValue)
        }
    }

    private func check(_ files: [String]) throws {
        let report = ConfigurationReport(files: files)
        for finding in report.findings { print(finding) }
        guard report.problems.isEmpty else {
            let lines = report.problems.joined(separator: "\n") + "\n"
            FileHandle.standardError.write(Data(lines.utf8))
            throw ExitCode(ExitStatus.badConfiguration.rawValue)
        }
    }
}
