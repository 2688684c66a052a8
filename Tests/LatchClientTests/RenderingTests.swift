import ArgumentParser
import Testing

@testable import LatchClient
@testable import latchctl

@Suite("What latchctl prints")
struct RenderingTests {
    @Test("columns are as wide as their longest cell, without spaces at the ends of lines")
    func table() {
        var table = Table([("NAME", .left), ("N", .right), ("NOTE", .left)])
        table.add(["a", "1", ""])
        table.add(["longer", "200", "x"])
        #expect(
            table.rendered() == """
                NAME      N  NOTE
                a         1
                longer  200  x
                """)
    }

    @Test("a name cannot move the cursor, fake a line or hide itself")
    func controlCharacters() {
        #expect(printable("a\nb\t\u{1B}[2J\\") == "a\\nb\\t\\u{1b}[2J\\\\")
        #expect(printable("\u{202E}abc\u{200B}") == "\\u{202e}abc\\u{200b}")
        #expect(printable("grün 東京") == "grün 東京")
    }

    @Test(
        "lengths of time",
        arguments: [
            (Duration.milliseconds(12), "12 ms"), (.milliseconds(3_450), "3.4 s"),
            (.seconds(312), "5 m 12 s"), (.seconds(7_380), "2 h 3 m"),
            (.seconds(349_200), "4 d 1 h"),
            (.seconds(-1), "0 ms"),
        ])
    func durations(duration: Duration, text: String) {
        #expect(readable(duration) == text)
    }

    @Test("the status tells who leads, and shows a node that does not answer")
    func status() {
        let text = statusText(
            Sample.status([
                Sample.node(1, role: .leader, applied: 120, heard: [2: .milliseconds(12)]),
                Sample.node(2, applied: 118),
            ]))
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "Cluster test: node 1 leads in term 5, 1 latches, 2 sessions.")
        #expect(lines.count == 6)
        #expect(lines[4].contains("follower"))
        #expect(lines[4].contains("12 ms"))
        #expect(lines[5].contains("UNREACHABLE"))
    }

    @Test("a hold tells its place, its token, and nothing twice")
    func hold() {
        #expect(holdText(.waiting(position: 2, holder: "x")) == "waiting, position 2 behind x")
        #expect(holdText(.waiting(position: 2, holder: nil)) == "waiting, position 2")
        let grant = LatchGrant(fencingToken: 42, term: 3, deadline: ContinuousClock().now)
        #expect(holdText(.holding(grant)) == "HOLDING token 42, term 3")
        #expect(holdText(.left) == nil)
    }

    private func latch(_ participants: [String]) -> LatchInfo {
        LatchInfo(
            namespace: "n", name: "a\nb", term: 3, holder: participants.first,
            participants: participants, fencingToken: 42, index: 9)
    }

    @Test("a latch that nobody holds is deleted when somebody says yes")
    func deleteUnused() {
        let free = latch([])
        #expect(deleteStep(free, isConfirmed: true, isForced: false, canAsk: false) == .delete)
        #expect(
            deleteStep(free, isConfirmed: false, isForced: false, canAsk: true)
                == .ask("Delete latch a\\nb in namespace n (nobody holds it, term 3)?"))
        #expect(
            deleteStep(free, isConfirmed: false, isForced: false, canAsk: false)
                == .refuse(
                    "latch a\\nb in namespace n: nobody can be asked here; --yes confirms."))
    }

    @Test("a latch that somebody holds is deleted only by force, and by force not unasked")
    func deleteHeld() throws {
        let held = latch(["x", "y", "z"])
        let step = deleteStep(held, isConfirmed: true, isForced: false, canAsk: true)
        guard case .refuse(let reason) = step else {
            Issue.record("not refused: \(step)")
            return
        }
        #expect(reason.contains("held by x, 2 waiting"))
        #expect(reason.contains("--force"))
        #expect(deleteStep(held, isConfirmed: true, isForced: true, canAsk: false) == .delete)
        #expect(
            deleteStep(held, isConfirmed: false, isForced: true, canAsk: true)
                == .ask("Delete latch a\\nb in namespace n (held by x, 2 waiting, term 3)?"))
    }

    @Test("only yes means yes")
    func answers() {
        for answer in ["y", "Y", "yes", " YES "] { #expect(Console.isYes(answer)) }
        for answer in [nil, "", "n", "no", "yep", "delete"] { #expect(!Console.isYes(answer)) }
    }

    @Test("the token and the digest are strings in JSON")
    func jsonForm() throws {
        let latch = LatchInfo(
            namespace: "n", name: "a/b", term: 2, holder: nil, participants: [],
            fencingToken: .max, index: 9)
        let text = try json(WatchJSON(.state(latch)), pretty: false)
        #expect(
            text == """
                {"event":"state","latch":{"fencing_token":"18446744073709551615","index":9,\
                "name":"a/b","namespace":"n","participants":[],"term":2}}
                """)
        #expect(hexadecimal(0xAB) == "00000000000000ab")
    }
}

@Suite("What latchctl understands")
struct ArgumentTests {
    @Test(
        "durations carry a unit",
        arguments: [
            ("10s", Duration.seconds(10)), ("250ms", .milliseconds(250)), ("5m", .seconds(300)),
            ("24h", .seconds(86_400)),
        ])
    func durations(text: String, duration: Duration) throws {
        #expect(try TimeSpan.parse(text).duration == duration)
    }

    @Test(
        "anything else is no duration",
        arguments: ["", "10", "s", "-1s", "1.5s", "10 s", "10d", "99999999999999999999s"])
    func noDurations(text: String) {
        #expect(throws: ValidationError.self) { try TimeSpan.parse(text) }
    }

    @Test("the option wins over the environment, which wins over the default")
    func endpoints() {
        let environment = ["LATCHCTL_ENDPOINTS": "e:1"]
        #expect(
            ClusterOptions.endpointTexts("a:1, b:2,", environment: environment) == ["a:1", "b:2"])
        #expect(ClusterOptions.endpointTexts(nil, environment: environment) == ["e:1"])
        #expect(
            ClusterOptions.endpointTexts(nil, environment: ["LATCHCTL_ENDPOINTS": ""]).count == 3)
    }

    @Test("a name is taken as it is; the namespace is an option")
    func hold() throws {
        let hold = try #require(
            Latchctl.parseAsRoot(["hold", "a/b", "--namespace", "n", "--ttl", "5s"]) as? Hold)
        #expect(hold.latch.name == "a/b")
        #expect(hold.latch.namespace == "n")
        #expect(hold.ttl.duration == .seconds(5))
    }

    @Test("to delete takes no more than a name; nothing is confirmed or forced unless said")
    func delete() throws {
        let plain = try #require(Latchctl.parseAsRoot(["delete", "a/b"]) as? Delete)
        #expect(plain.latch.name == "a/b")
        #expect(plain.latch.namespace == "default")
        #expect(!plain.yes)
        #expect(!plain.force)
        let sure = try #require(
            Latchctl.parseAsRoot(["delete", "a", "--namespace", "n", "--yes", "--force"])
                as? Delete)
        #expect(sure.latch.namespace == "n")
        #expect(sure.yes)
        #expect(sure.force)
    }

    @Test(
        "wrong usage is refused",
        arguments: [
            ["hold"], ["delete"], ["delete", "a", "b"], ["hold", "a", "--ttl", "1ms"],
            ["hold", "a", "--participant", ""],
            ["get", "a", "--endpoints", "nonsense"], ["get", "a", "--endpoints", ","],
            ["status", "--timeout", "0s"], ["unlatch", "a"],
        ])
    func wrongUsage(arguments: [String]) {
        #expect(throws: (any Error).self) { try Latchctl.parseAsRoot(arguments) }
    }
}
