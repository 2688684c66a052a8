/// The text form of a history: one operation per line, to keep and to read.
///
///     # A session is opened and closed; a read is not answered.
///     1 c1 n2 1ms..2ms open "a" timeout=500ms => opened session=5 @5
///     2 c1 n2 3ms..4ms close "a" session=5 => closed
///     3 c2 -  5ms..?   read "a"
///
/// A line holds the id, the client, the node (`-`: unknown), when the call was sent and answered
/// (`?`: outcome unknown), the call, its outcome and the answer's log index. Times have a unit:
/// `s`, `ms`, `us` or `ns`. Blank lines and lines that begin with `#` are passed over.
package enum HistoryText {
    /// A history as text that ``parse(_:)`` reads back, equal.
    package static func encode(_ history: [ClientOperation]) -> String {
        history.map { line($0) + "\n" }.joined()
    }

    /// One operation.
    package static func line(_ operation: ClientOperation) -> String {
        var words = ["\(operation.id)", "c\(operation.client)"]
        words.append(operation.node.map { "n\($0)" } ?? "-")
        let returned = operation.returned.map(time) ?? "?"
        words.append("\(time(operation.invoked))..\(returned)")
        words += Self.words(of: operation.call)
        if let outcome = operation.outcome {
            words.append("=>")
            words += Self.words(of: outcome)
        }
        if let index = operation.index { words.append("@\(index)") }
        return words.joined(separator: " ")
    }

    private static func words(of call: Call) -> [String] {
        let latch = quote(call.latch)
        switch call {
        case .openSession(_, let timeout):
            let (length, isLong) = timeout.multipliedReportingOverflow(by: 1_000_000)
            return ["open", latch, "timeout=\(time(isLong ? .max : length))"]
        case .keepAlive(_, let session): return ["keep-alive", latch, "session=\(session)"]
        case .closeSession(_, let session): return ["close", latch, "session=\(session)"]
        case .deleteLatch: return ["delete", latch]
        case .join(_, let session, let request, let participant):
            return [
                "join", latch, "session=\(session)", "request=\(request)",
                "participant=\(quote(participant))",
            ]
        case .leave(_, let session, let request, let participant):
            return [
                "leave", latch, "session=\(session)", "request=\(request)",
                "participant=\(quote(participant))",
            ]
        case .handOver(_, let session, let request, let token, let target):
            return ["hand-over", latch] + optional("session", session)
                + ["request=\(request)", "token=\(token)", "to=\(quote(target))"]
        case .publish(_, let session, let request, let token, let value):
            return [
                "publish", latch, "session=\(session)", "request=\(request)", "token=\(token)",
                "value=\(quote(value))",
            ]
        case .evict(_, let participant, let session, let token):
            return ["evict", latch, "participant=\(quote(participant))"]
                + optional("session", session) + optional("token", token)
        case .read(_, let session):
            return ["read", latch] + optional("session", session)
        case .frame(_, let session, let stream, let response):
            return [
                "frame", latch, "session=\(session)", "stream=\(stream)", "response=\(response)",
            ]
        }
    }

    private static func optional(_ key: String, _ number: UInt64?) -> [String] {
        number.map { ["\(key)=\($0)"] } ?? []
    }

    private static func words(of outcome: Outcome) -> [String] {
        switch outcome {
        case .opened(let session): return ["opened", "session=\(session)"]
        case .alive: return ["alive"]
        case .closed: return ["closed"]
        case .unknownSession: return ["unknown-session"]
        case .done: return ["done"]
        case .denied(let denial): return ["denied", "reason=\(denial.rawValue)"]
        case .refused(let reason): return ["refused", "reason=\(quote(reason))"]
        case .streamOpened: return ["stream-opened"]
        case .streamClosed: return ["stream-closed"]
        case .state(let view):
            var words = ["state", "term=\(view.term)"]
            if let token = view.token { words.append("token=\(token)") }
            if let holder = view.holder { words.append("holder=\(quote(holder))") }
            if !view.participants.isEmpty {
                let names = view.participants.map(quote).joined(separator: ",")
                words.append("participants=\(names)")
            }
            if let value = view.value { words.append("value=\(quote(value))") }
            return words
        }
    }

    /// The largest unit that says it exactly.
    static func time(_ nanoseconds: UInt64) -> String {
        for (unit, factor) in units where nanoseconds % factor == 0 {
            return "\(nanoseconds / factor)\(unit)"
        }
        return "\(nanoseconds)ns"
    }

    /// Largest first.
    static let units: [(unit: String, factor: UInt64)] = [
        ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1),
    ]

    /// Quoted, on one line, whatever it contains.
    static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default:  // default: open set (Unicode)
                if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                    || scalar.value == 0x2028 || scalar.value == 0x2029
                {
                    quoted += "\\u{\(String(scalar.value, radix: 16))}"
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}
