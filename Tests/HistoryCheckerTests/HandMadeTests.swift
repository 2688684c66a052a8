import HistoryChecker
import Testing

@Suite("Hand-made histories")
struct HandMadeTests {
    @Test("a good history is never called bad", arguments: HandMade.all("Good"))
    func good(_ history: HandMade) throws {
        switch HistoryChecker.check(try HistoryText.parse(history.text)) {
        case .linearizable: break
        case .violation(let report): Issue.record("\(report)")
        case .undecided(let reasons, _): Issue.record("\(reasons)")
        }
    }

    @Test("a bad history is found, by the layer that is meant to", arguments: HandMade.all("Bad"))
    func bad(_ history: HandMade) throws {
        guard
            case .violation(let report) = HistoryChecker.check(
                try HistoryText.parse(history.text))
        else {
            Issue.record("not found")
            return
        }
        let layer = history.title.prefix { $0 != ":" }
        #expect(report.layer.rawValue.contains(layer), "\(report)")
        #expect(!report.operations.isEmpty)
    }

    @Test("there are more than fifty of them")
    func count() {
        #expect(HandMade.all("Good").count > 30)
        #expect(HandMade.all("Bad").count > 40)
    }

    @Test("the text form is the history", arguments: HandMade.all("Good") + HandMade.all("Bad"))
    func text(_ history: HandMade) throws {
        let operations = try HistoryText.parse(history.text)
        let text = HistoryText.encode(operations)
        #expect(try HistoryText.parse(text) == operations)
        let body = history.text.split(separator: "\n").map(String.init)
        #expect(text.split(separator: "\n").map(String.init) == body)
    }
}

@Suite("The text form")
struct HistoryTextTests {
    @Test("names are any text, on one line")
    func names() throws {
        let name = "a \"b\" \\ \n\r\u{0}\u{2028} ü 👍🏽 => @7"
        let operation = ClientOperation(
            id: 1, client: 0, invoked: 3, returned: 4,
            call: .join(latch: name, session: .max, requestID: 0, participant: name),
            outcome: .state(LatchView(term: 1, holder: name, participants: [name, ""])))
        let line = HistoryText.line(operation)
        #expect(line.unicodeScalars.allSatisfy { $0 != "\n" })
        #expect(try HistoryText.parse(line) == [operation])
    }

    @Test(
        "a line that is no operation is named",
        arguments: [
            ("x c1 n1 1ms..2ms delete \"a\" => closed", "\"x\" is no id"),
            ("1 x1 n1 1ms..2ms delete \"a\" => closed", "begins with \"c\""),
            ("1 c1 n1 2ms..1ms delete \"a\" => closed", "ends before it begins"),
            ("1 c1 n1 2..3 delete \"a\" => closed", "no time"),
            ("1 c1 n1 99999999999999s..3ms delete \"a\" => closed", "no time"),
            ("1 c1 n1 1ms..2ms remove \"a\" => closed", "no call \"remove\""),
            ("1 c1 n1 1ms..2ms delete \"a\" => gone", "no outcome \"gone\""),
            ("1 c1 n1 1ms..2ms delete \"a => closed", "not closed"),
            ("1 c1 n1 1ms..2ms delete \"a\"", "come together"),
            ("1 c1 n1 1ms..? delete \"a\" => closed", "come together"),
            ("1 c1 n1 1ms..2ms delete \"a\" => closed @1 more", "nothing was expected"),
            ("1 c1 n1 1ms..2ms keep-alive \"a\" => alive", "\"session=\" is missing"),
            ("1 c1", "was expected at the end"),
        ])
    func badLines(_ line: String, _ reason: String) {
        let text = "# comment\n\n" + line
        let failure = #expect(throws: HistoryTextFailure.self) { try HistoryText.parse(text) }
        #expect(failure?.line == 3)
        #expect(failure?.reason.contains(reason) == true, "\(String(describing: failure))")
    }

    @Test("an id is used once")
    func ids() {
        let line = "1 c1 n1 1ms..2ms delete \"a\" => closed\n"
        let failure = #expect(throws: HistoryTextFailure.self) {
            try HistoryText.parse(line + line)
        }
        #expect(failure?.line == 2)
    }
}
