import Testing

@testable import latchd

@Suite("Configuration: text and keys (O1)")
struct ConfigurationSyntaxTests {
    static let misspelledFiles: [(String, String)] = [
        ("", "1:1: the file is empty."),
        ("# nothing\n", "1:1: the file is empty."),
        (
            "hello\n",
            """
            1:1: expected keys (cluster, node, data, listen, status, members, incarnation, raft, \
            sessions, limits, snapshot, log), found text.
            """
        ),
        (
            smallest + "raft:\n\theartbeat: 50ms\n",
            """
            7:1: a tab in the indentation. YAML indents with spaces only; replace the tab by \
            spaces.
            """
        ),
        (
            smallest + "raft:\n  hartbeat: 50ms\n",
            """
            7:3: raft.hartbeat: unknown key. Did you mean "heartbeat"? Known here: heartbeat, \
            election_timeout, unreachable_leader_delay.
            """
        ),
        (
            smallest + "zzz: 1\n",
            """
            6:1: zzz: unknown key. Known here: cluster, node, data, listen, status, members, \
            incarnation, raft, sessions, limits, snapshot, log.
            """
        ),
        (
            smallest + "node: 2\n",
            "6:1: the key \"node\" stands here twice; the first is in line 2. Keep one of them."
        ),
        (
            smallest + "raft: &r {}\n",
            "6:7: anchors (&name) and aliases (*name) are not supported; write the value out."
        ),
        (
            smallest + "log: *r\n",
            "6:6: not valid YAML: found undefined alias."
        ),
        (
            smallest + "---\na: 1\n",
            """
            6:1: not valid YAML: but found another document (expected a single document in the \
            stream in line 1). Remove the line `---` and what follows it.
            """
        ),
        (
            "cluster:demo\nnode: 1\n",
            """
            2:5: not valid YAML: mapping values are not allowed in this context. Is a space \
            missing after a colon, or a line indented too far?
            """
        ),
        ("cluster: a\u{1}b\n", "1:11: not valid YAML: control characters are not allowed."),
        ("? [a]\n: 1\n", "1:3: this key is not plain text."),
    ]

    @Test(
        "every misspelled file is refused with place, key, cause and what is allowed",
        arguments: misspelledFiles)
    func misspelled(text: String, expected: String) {
        #expect(problems(text) == [expected])
    }

    @Test("bytes that are no UTF-8 are refused at the first bad byte")
    func notUTF8() {
        #expect(problems(Array("node: 1\ndata: ".utf8) + [0xC3, 0x28]) == ["2:7: not UTF-8 text."])
    }

    @Test("a byte order mark and Windows line ends are accepted")
    func byteOrderMark() throws {
        let windows =
            "\u{FEFF}" + smallest.split(separator: "\n").joined(separator: "\r\n") + "\r\n"
        #expect(try load(windows).configuration == load(smallest).configuration)
    }

    @Test("all problems of a file are reported at once, in the order of the file")
    func allAtOnce() {
        let text = """
            data: ~
            node: 0
            cluster: a b
            members: {}
            log: {level: verbose, format: jsn}
            """
        #expect(
            problems(text) == [
                "1:1: data: is empty; expected a directory.",
                "2:7: node: 0 is out of range; allowed is 1 to 65535.",
                """
                3:10: cluster: "a b" is no cluster name. Allowed are 1 to 64 letters, digits, \
                '-', 
                """
                    + "'.' and '_'.",
                """
                4:10: members: expected a list of members, each starting with "- "; found a \
                mapping.
                """,
                "5:14: log.level: \"verbose\" is not known. Allowed: trace, debug, info, notice, "
                    + "warning, error or critical.",
                "5:31: log.format: \"jsn\" is not known. Did you mean json? Allowed: text or json.",
            ])
    }

    @Test("missing keys are named with their meaning")
    func missingKeys() {
        #expect(
            problems("log: {}\n") == [
                """
                1:1: the key "cluster" is missing: the name that all nodes of the cluster share.
                """,
                "1:1: the key \"node\" is missing: the id of this node, one of the members.",
                "1:1: the key \"data\" is missing: the directory for this node's data.",
                """
                1:1: the key "members" is missing: the list of all nodes with id, peer and \
                client.
                """,
            ])
    }

    @Test("the failure's text names the file in each line and counts the problems")
    func failureText() {
        #expect(throws: ConfigurationFailure.self) { try load("node: x\n") }
        let failure = ConfigurationFailure(
            file: "f.yaml",
            problems: [
                ConfigurationProblem(
                    position: Position(line: 2, column: 3), path: "a.b", message: "no.")
            ])
        #expect(
            failure.description == "f.yaml:2:3: a.b: no.\n1 problem in f.yaml: nothing was started."
        )
    }

    @Test("files that would make a parser slow are refused quickly")
    func bombs() {
        let bombs = [
            "a: &a [x]\n" + String(repeating: "b: [*a, *a, *a]\n", count: 9),
            String(repeating: "[", count: 60_000),
            String(repeating: "{", count: 60_000),
            String(repeating: "? ", count: 30_000),
            String(repeating: "- ", count: 30_000),
            String(repeating: "a: ", count: 20_000),
            String(repeating: "x", count: 70_000),
            (0..<350).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n"),
        ]
        let started = ContinuousClock.now
        for bomb in bombs { #expect(!problems(bomb).isEmpty) }
        #expect(ContinuousClock.now - started < .seconds(5))
    }

    @Test("a file that cannot be read is refused in the system's words")
    func unreadable() {
        #expect {
            try ConfigurationLoader.load(path: "/nowhere/node1.yaml")
        } throws: { error in
            "\(error)".hasPrefix(
                "/nowhere/node1.yaml:1:1: cannot be read: No such file or directory.")
        }
        #expect {
            try ConfigurationLoader.load(path: "/dev/zero")
        } throws: { error in
            "\(error)".contains("the file is larger than 64KiB")
        }
    }
}
