/// A line that is no operation.
package struct HistoryTextFailure: Error, CustomStringConvertible, Equatable {
    /// From 1.
    package let line: Int
    package let reason: String
    package var description: String { "line \(line): \(reason)" }
}

extension HistoryText {
    /// The operations of a text.
    ///
    /// - Throws: At the first line that is no operation, or whose id was used before.
    package static func parse(_ text: String) throws(HistoryTextFailure) -> [ClientOperation] {
        var history: [ClientOperation] = []
        var known: Set<Int> = []
        let lines = text.unicodeScalars.split(
            separator: "\n", omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            guard let first = line.first(where: { $0 != " " && $0 != "\r" }), first != "#" else {
                continue
            }
            do throws(LineFailure) {
                var parser = LineParser(line)
                let operation = try parser.operation()
                guard known.insert(operation.id).inserted else {
                    throw LineFailure("the id \(operation.id) is used twice")
                }
                history.append(operation)
            } catch {
                throw HistoryTextFailure(line: number + 1, reason: error.reason)
            }
        }
        return history
    }
}

private struct LineFailure: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// Reads one line from left to right.
private struct LineParser {
    private var rest: Substring.UnicodeScalarView

    init(_ line: String.UnicodeScalarView.SubSequence) {
        rest = line
    }

    mutating func operation() throws(LineFailure) -> ClientOperation {
        let id = try integer(try word("an id"), "id")
        let client = try integer(try tagged("c", "client"), "client")
        let node = try node()
        let (invoked, returned) = try interval()
        let call = try call()
        var operation = ClientOperation(
            id: id, client: client, node: node, invoked: invoked, returned: returned, call: call)
        if skip("=>") { operation.outcome = try outcome() }
        if skip("@") { operation.index = try number(try word("an index"), "index") }
        skipSpaces()
        guard rest.isEmpty else { throw LineFailure("nothing was expected before \"\(rest)\"") }
        if (operation.outcome == nil) != (operation.returned == nil) {
            throw LineFailure("an outcome and the time of its answer come together")
        }
        return operation
    }

    private mutating func call() throws(LineFailure) -> Call {
        let verb = try word("a call")
        switch verb {
        case "open":
            let latch = try quoted()
            return .openSession(latch: latch, timeoutMilliseconds: try milliseconds("timeout="))
        case "keep-alive":
            return .keepAlive(latch: try quoted(), session: try value("session="))
        case "close":
            return .closeSession(latch: try quoted(), session: try value("session="))
        case "delete":
            return .deleteLatch(latch: try quoted())
        case "join":
            return .join(
                latch: try quoted(), session: try value("session="),
                requestID: try value("request="), participant: try text("participant="))
        case "leave":
            return .leave(
                latch: try quoted(), session: try value("session="),
                requestID: try value("request="), participant: try text("participant="))
        case "hand-over":
            return .handOver(
                latch: try quoted(), session: try optional("session="),
                requestID: try value("request="), token: try value("token="),
                to: try text("to="))
        case "publish":
            return .publish(
                latch: try quoted(), session: try value("session="),
                requestID: try value("request="), token: try value("token="),
                value: try text("value="))
        case "evict":
            return .evict(
                latch: try quoted(), participant: try text("participant="),
                session: try optional("session="), token: try optional("token="))
        case "read":
            let latch = try quoted()
            return .read(latch: latch, session: try optional("session="))
        case "frame":
            return .frame(
                latch: try quoted(), session: try value("session="), stream: try value("stream="),
                responseID: try value("response="))
        default:  // default: open set (words of a file)
            throw LineFailure("there is no call \"\(verb)\"")
        }
    }

    private mutating func outcome() throws(LineFailure) -> Outcome {
        let verb = try word("an outcome")
        switch verb {
        case "opened": return .opened(session: try value("session="))
        case "alive": return .alive
        case "closed": return .closed
        case "unknown-session": return .unknownSession
        case "done": return .done
        case "denied":
            guard skip("reason=") else { throw LineFailure("\"reason=\" is missing") }
            let word = try word("a reason")
            guard let denial = Denial(rawValue: word) else {
                throw LineFailure("there is no denial \"\(word)\"")
            }
            return .denied(denial)
        case "refused": return .refused(reason: try text("reason="))
        case "stream-opened": return .streamOpened
        case "stream-closed": return .streamClosed
        case "state": return .state(try view())
        default:  // default: open set (words of a file)
            throw LineFailure("there is no outcome \"\(verb)\"")
        }
    }

    private mutating func view() throws(LineFailure) -> LatchView {
        var view = LatchView(term: try value("term="))
        view.token = try optional("token=")
        if skip("holder=") { view.holder = try quoted() }
        if skip("participants=") {
            repeat { view.participants.append(try quoted()) } while skipComma()
        }
        if skip("value=") { view.value = try quoted() }
        return view
    }

    // MARK: Parts

    private mutating func node() throws(LineFailure) -> Int? {
        if skip("-") { return nil }
        return try integer(try tagged("n", "node (or \"-\")"), "node")
    }

    private mutating func interval() throws(LineFailure) -> (UInt64, UInt64?) {
        let word = try word("an interval")
        guard let dots = word.range(of: "..") else {
            throw LineFailure("\"\(word)\" is no interval such as 1ms..2ms or 1ms..?")
        }
        let invoked = try time(String(word[..<dots.lowerBound]))
        let end = String(word[dots.upperBound...])
        if end == "?" { return (invoked, nil) }
        let returned = try time(end)
        guard invoked <= returned else { throw LineFailure("\"\(word)\" ends before it begins") }
        return (invoked, returned)
    }

    /// Nanoseconds.
    private func time(_ word: String) throws(LineFailure) -> UInt64 {
        for (unit, factor) in HistoryText.units.sorted(by: { $0.unit.count > $1.unit.count })
        where word.hasSuffix(unit) {
            let (time, overflow) = try number(String(word.dropLast(unit.count)), "time")
                .multipliedReportingOverflow(by: factor)
            guard !overflow else { break }
            return time
        }
        throw LineFailure("\"\(word)\" is no time such as 1s, 2ms, 3us or 4ns")
    }

    private mutating func milliseconds(_ key: String) throws(LineFailure) -> UInt64 {
        guard skip(key) else { throw LineFailure("\"\(key)\" is missing") }
        return try time(try word("a time")) / 1_000_000
    }

    private mutating func value(_ key: String) throws(LineFailure) -> UInt64 {
        guard let value = try optional(key) else { throw LineFailure("\"\(key)\" is missing") }
        return value
    }

    private mutating func optional(_ key: String) throws(LineFailure) -> UInt64? {
        guard skip(key) else { return nil }
        return try number(try word("a number"), String(key.dropLast()))
    }

    private mutating func text(_ key: String) throws(LineFailure) -> String {
        guard skip(key) else { throw LineFailure("\"\(key)\" is missing") }
        return try quoted()
    }

    private func number(_ word: String, _ what: String) throws(LineFailure) -> UInt64 {
        guard let number = UInt64(word) else {
            throw LineFailure("\"\(word)\" is no \(what): a number was expected")
        }
        return number
    }

    private func integer(_ word: String, _ what: String) throws(LineFailure) -> Int {
        guard let number = Int(word) else {
            throw LineFailure("\"\(word)\" is no \(what): a number was expected")
        }
        return number
    }

    private mutating func tagged(_ tag: Character, _ what: String) throws(LineFailure) -> String {
        let word = try word("a \(what)")
        guard word.first == tag else {
            throw LineFailure("\"\(word)\" is no \(what): it begins with \"\(tag)\"")
        }
        return String(word.dropFirst())
    }

    // MARK: Scalars

    private mutating func word(_ what: String) throws(LineFailure) -> String {
        skipSpaces()
        let word = rest.prefix { $0 != " " && $0 != "\r" }
        guard !word.isEmpty else { throw LineFailure("\(what) was expected at the end") }
        rest = rest.dropFirst(word.count)
        return String(word)
    }

    private mutating func quoted() throws(LineFailure) -> String {
        skipSpaces()
        guard rest.first == "\"" else {
            throw LineFailure("a text in quotes was expected before \"\(rest)\"")
        }
        rest.removeFirst()
        var text = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return String(text)
            case "\\": text.append(try escaped())
            default: text.append(scalar)  // default: open set (Unicode)
            }
        }
        throw LineFailure("a text is not closed")
    }

    private mutating func escaped() throws(LineFailure) -> Unicode.Scalar {
        switch rest.popFirst() {
        case "\"": return "\""
        case "\\": return "\\"
        case "n": return "\n"
        case "u":
            let digits = rest.prefix { $0 != "}" }
            rest = rest.dropFirst(digits.count + 1)
            if digits.first == "{", let value = UInt32(String(digits.dropFirst()), radix: 16),
                let scalar = Unicode.Scalar(value)
            {
                return scalar
            }
            throw LineFailure("\"\\u\(digits)}\" is no character")
        default:  // default: open set (Unicode)
            throw LineFailure("an escape is \\\", \\\\, \\n or \\u{…}")
        }
    }

    private mutating func skipSpaces() {
        rest = rest.drop { $0 == " " || $0 == "\r" }
    }

    /// Passes over `prefix`; false, and nothing but spaces passed over, if something else follows.
    private mutating func skip(_ prefix: String) -> Bool {
        skipSpaces()
        guard rest.starts(with: prefix.unicodeScalars) else { return false }
        rest = rest.dropFirst(prefix.unicodeScalars.count)
        return true
    }

    private mutating func skipComma() -> Bool {
        guard rest.first == "," else { return false }
        rest.removeFirst()
        return true
    }
}

extension String {
    /// The first place of `part`, without Foundation.
    fileprivate func range(of part: String) -> Range<String.Index>? {
        ranges(of: part).first
    }
}
