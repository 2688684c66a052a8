import Testing

@testable import latchd

@Suite("Configuration: values")
struct ConfigurationValueTests {
    @Test(
        "durations need a unit and stay in their range (O8)",
        arguments: [
            ("50", "\"50\" has no unit. Write 50ms, 50s, 50m or 50h, whichever is meant."),
            ("0", "\"0\" has no unit. Write 0ms, 0s, 0m or 0h, whichever is meant."),
            (
                "fast",
                "\"fast\" is not a duration. Write a whole number and a unit: 50ms, 10s, 2m or 1h."
            ),
            (
                "5 ms",
                "\"5 ms\" is not a duration. Write a whole number and a unit: 50ms, 10s, 2m or 1h."
            ),
            (
                "-5ms",
                "\"-5ms\" is not a duration. Write a whole number and a unit: 50ms, 10s, 2m or 1h."
            ),
            (
                "1.5s",
                "\"1.5s\" is not a duration. Write a whole number and a unit: 50ms, 10s, 2m or 1h."
            ),
            ("0ms", "0ms is too little; allowed is 5ms to 10s."),
            ("2h", "2h is too much; allowed is 5ms to 10s."),
            ("99999999999999999999h", "\"99999999999999999999h\" is far too large."),
            ("9999999999999999h", "\"9999999999999999h\" is far too large."),
        ])
    func durations(text: String, expected: String) {
        let found = problems(smallest + "raft: {heartbeat: \(text)}\n")
        #expect(found == ["6:19: raft.heartbeat: \(expected)"])
    }

    @Test(
        "durations and sizes are read and spelled in their shortest exact form",
        arguments: [
            ("50ms", 50), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("90s", 90_000),
        ])
    func durationSpelling(text: String, milliseconds: Int) throws {
        #expect(try Units.milliseconds(text) == milliseconds)
        #expect(Units.spell(milliseconds: milliseconds) == text)
    }

    @Test("sizes are powers of two with a unit")
    func sizes() throws {
        #expect(try Units.bytes("16KiB") == 16_384)
        #expect(Units.spell(bytes: 16_384) == "16KiB")
        #expect(Units.spell(bytes: 0) == "0B")
        #expect(
            problems(smallest + "limits: {uncommitted_bytes: 16000}\n") == [
                "6:29: limits.uncommitted_bytes: \"16000\" has no unit. Write 16000B, 16000KiB, 16000MiB "
                    + "or 16000GiB, whichever is meant."
            ])
        #expect(
            problems(smallest + "limits: {uncommitted_bytes: 16kb}\n") == [
                "6:29: limits.uncommitted_bytes: \"16kb\" is not a size. Write a whole number and a unit: "
                    + "512B, 16KiB, 64MiB or 1GiB."
            ])
    }

    @Test(
        "an election timeout is a range, in either spelling",
        arguments: ["400ms..1s", "400ms .. 1s", "\"400ms..1s\"", "{min: 400ms, max: 1s}"])
    func ranges(text: String) throws {
        let loaded = try load(smallest + "raft: {election_timeout: \(text)}\n")
        #expect(loaded.configuration.raft.electionTimeoutMilliseconds == 400...1_000)
    }

    @Test(
        "what is no range is refused",
        arguments: [
            ("300ms", "expected a range such as 300ms..600ms."),
            ("[300ms, 600ms]", "expected a range such as 300ms..600ms."),
            (
                "600ms..300ms",
                "the first duration is larger than the second; write smallest..largest."
            ),
            (
                "300..600ms",
                "\"300\" has no unit. Write 300ms, 300s, 300m or 300h, whichever is meant."
            ),
        ])
    func noRanges(text: String, expected: String) {
        let found = problems(smallest + "raft:\n  election_timeout: \(text)\n")
        #expect(found == ["7:21: raft.election_timeout: \(expected)"])
    }

    @Test(
        "addresses are host and port, IPv6 in brackets",
        arguments: [
            ("host", "\"host\" has no port. Write host:port, for example host:7301."),
            ("host:", "\"host:\" has no port from 1 to 65535 after the colon."),
            ("host:0", "\"host:0\" has no port from 1 to 65535 after the colon."),
            ("host:65536", "\"host:65536\" has no port from 1 to 65535 after the colon."),
            (
                ":7301",
                "\":7301\" has no host. Write host:port, for example 127.0.0.1:7301."
            ),
            (
                "::1:7301",
                "\"::1:7301\" has several colons. Write an IPv6 address in brackets: [::1]:7301."
            ),
            ("[x]:7301", "\"[x]:7301\" has no IPv6 address in the brackets."),
            (
                "ho st:7301",
                "\"ho st:7301\" has a host with characters that host names do not have. Allowed are "
                    + "letters, digits, '-', '.' and '_'."
            ),
        ])
    func addresses(text: String, expected: String) {
        let found = problems(smallest + "listen: {peer: \"\(text)\"}\n")
        #expect(found == ["6:16: listen.peer: \(expected)"])
    }

    @Test(
        "good addresses are read and printed alike",
        arguments: ["node1:7301", "10.0.0.1:1", "[::1]:65535", "[fe80::1]:7301", "a-b.c_d:80"])
    func goodAddresses(text: String) throws {
        #expect(try HostPort(parsing: text).description == text)
    }

    @Test("a relative data directory is meant relative to the file")
    func dataDirectory() throws {
        func directory(_ data: String) throws -> String {
            let text = smallest.split(separator: "\n").map {
                $0.hasPrefix("data") ? "data: \(data)" : $0
            }
            return try load(text.joined(separator: "\n")).configuration.dataDirectory
        }
        #expect(try directory("node1") == "/etc/latchd/node1")
        #expect(try directory("../data/node1") == "/etc/data/node1")
        #expect(try directory("/var/lib/latchd") == "/var/lib/latchd")
    }

    @Test("what is not written has its default")
    func defaults() throws {
        let settings = try load(smallest).configuration
        #expect(settings.raft == NodeConfiguration.Raft())
        #expect(settings.limits == NodeConfiguration.Limits())
        #expect(settings.peerListen == HostPort(host: "127.0.0.1", port: 7301))
        #expect(settings.clientListen == HostPort(host: "127.0.0.1", port: 7401))
    }
}
