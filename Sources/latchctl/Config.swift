import ArgumentParser
import Foundation

/// `latchctl config`.
struct Config: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks configuration files of nodes.",
        discussion: """
            Examples:
              latchctl config check /etc/latchd/latchd.yaml

            Exit codes: those of latchctl config check.
            """,
        subcommands: [ConfigCheck.self])
}

/// `latchctl config check`: the server's own program does it, so that what is checked is what a
/// node would do with the file.
struct ConfigCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says what is wrong with the files of nodes, and starts nothing.",
        discussion: """
            Tells every mistake at once, each with file, line, column, key and what is allowed. One file is printed \
            with its effective settings. Several are compared, too: whether they are those of one cluster, with the \
            same members and different nodes, whose addresses and data directories do not clash. It runs latchd \
            --check, the program beside latchctl or else the one in PATH, which speaks of the same version.

            Examples:
              latchctl config check /etc/latchd/latchd.yaml
              latchctl config check node1.yaml node2.yaml node3.yaml

            Exit codes: 0 nothing is wrong, 78 something is, 1 there is no latchd to ask.
            """)

    @Argument(
        help: ArgumentHelp("The files of one or more nodes of a cluster.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var files: [String]

    func run() throws {
        // Threads of this runtime block signals, and a program starts with the mask of its thread.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        let arguments = (["latchd", "--check", "--"] + files).map(cString) + [nil]
        if let own = Bundle.main.executableURL {
            execv(own.deletingLastPathComponent().appendingPathComponent("latchd").path, arguments)
        }
        execvp("latchd", arguments)
        let reason = String(cString: strerror(errno))
        Console.complain(
            """
            latchctl: cannot run latchd, which checks its own configuration: \(reason).
            It is neither beside latchctl nor in PATH.
            """)
        throw Exit.failure
    }
}
