import LatchMachine

/// Outcomes in words, one line each: the form in which scenarios show them.
enum Transcript {
    static func line(_ outcome: Outcome) -> String {
        switch outcome {
        case .answer(let answer): "answer \(text(answer))"
        case .heldAnswer(let session, let requestID, let answer):
            "held \(session)/\(requestID) \(text(answer))"
        case .frame(let key, let frame): "frame \(text(key)) \(text(frame))"
        case .streamTaken(let key): "taken \(text(key))"
        case .sessionEnded(let session): "ended \(session)"
        case .changed(let name): "changed \(name)"
        }
    }

    static func text(_ answer: Answer) -> String {
        switch answer {
        case .done: "done"
        case .sessionOpened(let session): "session \(session)"
        case .renewed(let alive):
            "renewed " + alive.map { $0 ? "alive" : "unknown" }.joined(separator: " ")
        case .closed: "closed"
        case .latched(let state, let index): "@\(index) \(text(state))"
        case .streamOpened(let key, let replay):
            "stream \(text(key))" + replay.map { " \(text($0))" }.joined(separator: ",")
        case .held: "held"
        case .refused(let rejection): "refused \(text(rejection))"
        }
    }

    static func text(_ rejection: Rejection) -> String {
        switch rejection {
        case .unknownSession: "unknown session"
        case .alreadyAcknowledged: "already acknowledged"
        case .gap: "gap"
        case .requestMismatch: "request mismatch"
        case .limit(let text): "limit (\(text))"
        case .tooManyHeld: "too many held"
        case .tokenMoved: "token moved"
        case .noSuchParticipant: "no such participant"
        case .noSuchPrimitive: "no such primitive"
        }
    }

    static func text(_ frame: Frame) -> String {
        let head = "#\(frame.responseID) @\(frame.index)"
        return switch frame.content {
        case .open: "\(head) OPEN"
        case .changed(let state): "\(head) CHANGED \(text(state))"
        case .close: "\(head) CLOSE"
        }
    }

    static func text(_ state: LatchState) -> String {
        let holder = state.holder ?? "nobody"
        let names = state.participants.joined(separator: " ")
        let value = state.value.isEmpty ? "" : " says '\(state.value)'"
        return "latch{\(state.term) \(holder) [\(names)] token \(state.fencingToken)\(value)}"
    }

    static func text(_ record: TermRecord) -> String {
        let who =
            "\(record.term) \(record.holder) of \(record.session) token \(record.fencingToken)"
        let times = "\(text(record.began)) – \(record.ended.map(text) ?? "now")"
        let bounds =
            (record.gapMilliseconds > 0 ? ", gap \(record.gapMilliseconds) ms" : "")
            + (record.overlapBoundMilliseconds > 0
                ? ", overlap ≤ \(record.overlapBoundMilliseconds) ms" : "")
        return "\(who): \(times)\(bounds)"
    }

    private static func text(_ edge: TermEdge) -> String {
        "\(edge.cause) @\(edge.index) in \(edge.raftTerm) at \(edge.logTimeMilliseconds)"
            + (edge.wallTimeMilliseconds > 0 ? " (\(edge.wallTimeMilliseconds))" : "")
    }

    static func text(_ key: StreamKey) -> String { "\(key.session)/\(key.stream)" }
}
