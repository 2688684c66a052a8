import Foundation
import Logging
import Testing

@testable import latchd

@Suite("Log lines")
struct LogFormatTests {
    private let fields: Logger.Metadata = [
        "term": "3", "server": "1", "name": "my latch", "peers": ["2", "3"],
        "why": ["b": "1", "a": "x y"],
    ]

    @Test("a text line is time, level, message and sorted fields")
    func text() {
        let line = LogFormat.text.line(
            milliseconds: 1_772_366_400_123, level: .info, message: "became leader",
            metadata: fields)
        #expect(
            line == "2026-03-01T12:00:00.123Z info     became leader name=\"my latch\" peers=[2,3] "
                + "server=1 term=3 why=\"{a:x y,b:1}\"")
    }

    @Test("a JSON line is one object with sorted fields")
    func json() {
        let line = LogFormat.json.line(
            milliseconds: 0, level: .warning, message: "a \"b\"\\", metadata: fields)
        #expect(
            line
                == #"{"time":"1970-01-01T00:00:00.000Z","level":"warning","message":"a \"b\"\\","fields":"#
                + #"{"name":"my latch","peers":["2","3"],"server":"1","term":"3","why":{"a":"x y","b":"1"}}}"#
        )
    }

    @Test("no foreign text ends a line, moves the cursor or turns the writing direction (P11)")
    func injection() throws {
        let evil = "x\n2026 critical fake\r\t\u{1B}[2J\u{0}\u{85}\u{2028}\u{202E}\"=\u{E000}"
        let text = LogFormat.text.line(
            milliseconds: 0, level: .info, message: evil, metadata: ["n\n": .string(evil)])
        let json = LogFormat.json.line(
            milliseconds: 0, level: .info, message: evil, metadata: ["n\n": .string(evil)])
        for line in [text, json] {
            #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x85 })
            #expect(
                !line.unicodeScalars.contains { ["\u{2028}", "\u{202E}", "\u{E000}"].contains($0) })
        }
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        #expect(object?["message"] as? String == evil)
        #expect((object?["fields"] as? [String: String])?["n\n"] == evil)
    }

    @Test("values are cut where they would flood the log")
    func cut() {
        let line = LogFormat.text.line(
            milliseconds: 0, level: .info, message: String(repeating: "é", count: 5_000),
            metadata: ["a": .string(String(repeating: "b", count: 5_000))])
        #expect(line.utf8.count < 2 * LogFormat.longestValue + 100)
        #expect(line.hasSuffix("b…"))
    }

    @Test(
        "times are UTC in the Gregorian calendar",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (Int64.max, "9999-12-31T23:59:59.999Z"),
            (Int64.min, "0000-01-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func timestamps(milliseconds: Int64, expected: String) {
        #expect(LogFormat.timestamp(milliseconds: milliseconds) == expected)
    }
}
