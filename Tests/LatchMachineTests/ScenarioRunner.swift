import LatchMachine

/// Runs a scenario: a title, then commands (lines that begin with `> `), each followed by the exact
/// transcript of what came of it. Lines that begin with `#` are remarks.
///
///     > limits NAME=N …                 bounds of a new machine; only before anything else
///     > time MS                         log time stamped into the next entries
///     > noop INDEX                      Raft no-ops up to INDEX
///     > elect GRACE [incarnation=N]     a new leader's first entry
///     > open NAME TIMEOUT               NAME is namespace/name, TIMEOUT in milliseconds
///     > latch NAME SESSION REQUEST PARTICIPANT
///     > events NAME SESSION REQUEST seen=INDEX
///     > renew NAME SESSION upto=REQUEST [STREAM:RESPONSE …]
///     > raft TERM                       Raft term of the next entries
///     > leave NAME SESSION REQUEST PARTICIPANT
///     > hand-over NAME SESSION REQUEST token=TOKEN PARTICIPANT       session 0: an operator
///     > publish NAME SESSION REQUEST token=TOKEN VALUE
///     > evict NAME PARTICIPANT session=SESSION token=TOKEN           0: any
///     > close NAME SESSION
///     > delete NAME
///     > gap SESSION REQUEST
///     > look                            what the leader would propose to expire now
///     > expire                          … and the entry it proposes
///     > expire SESSION@DEADLINE …
///     > get NAME SESSION REQUEST
///     > state NAME
///     > ledger NAME
///     > frames SESSION/STREAM after=N
///     > restore                         the machine goes on from its own snapshot
struct ScenarioRunner {
    struct Mistake: Error, CustomStringConvertible {
        let description: String
    }

    private var replica = Replica()

    /// The scenario with the transcript that its commands really have.
    static func replay(_ text: String) throws -> String {
        var runner = ScenarioRunner()
        var lines: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("> ") {
                lines.append(line)
                lines += try runner.run(line.dropFirst(2).split(separator: " ").map(String.init))
            } else if lines.isEmpty || line.isEmpty || line.hasPrefix("#") {
                lines.append(line)
            }
        }
        return lines.joined(separator: "\n")
    }

    private mutating func run(_ words: [String]) throws -> [String] {
        var words = Words(words)
        let verb = try words.word()
        switch verb {
        case "limits": return try limits(words)
        case "time":
            replica.time = try words.number()
            return []
        case "raft":
            replica.raftTerm = try words.number()
            return []
        case "noop":
            replica.machine.skip(to: try words.number())
            return []
        case "restore":
            replica.machine = try LatchMachine(
                snapshot: replica.machine.encodeSnapshot(), limits: replica.limits)
            return ["restored at \(replica.machine.lastApplied)"]
        case "look", "get", "state", "frames", "ledger": return try read(verb, &words)
        default:  // default: open set, the words of a script
            let command = try command(verb, &words)
            // That a latch is told to have changed just when it has is for random logs to show.
            let outcomes = replica.apply(command).filter { !$0.isChange }
            let index = replica.machine.lastApplied
            return outcomes.map { "\(index): \(Transcript.line($0))" }
        }
    }

    private mutating func command(_ verb: String, _ words: inout Words) throws -> Command {
        switch verb {
        case "elect":
            let grace = try words.number()
            let incarnation = words.rest().isEmpty ? 0 : try words.number("incarnation=")
            return .leaderElected(
                graceMilliseconds: grace, incarnation: UInt16(clamping: incarnation))
        case "open":
            return .openSession(try words.name(), timeoutMilliseconds: try words.number())
        case "latch":
            return .latch(
                try words.name(), try words.number(), requestID: try words.number(),
                participant: try words.word())
        case "events":
            return .openStream(
                try words.name(), try words.number(), requestID: try words.number(),
                index: try words.number("seen="))
        case "renew":
            return .renew([
                Renewal(
                    primitive: try words.name(), session: try words.number(),
                    acknowledgedRequestID: try words.number("upto="),
                    streams: try words.rest().map { word in
                        let parts = try Words.numbers(word, ":")
                        return StreamAcknowledgement(stream: parts.0, responseID: parts.1)
                    })
            ])
        case "leave":
            return .leave(
                try words.name(), try words.number(), requestID: try words.number(),
                participant: try words.word())
        case "hand-over":
            return .handOver(
                try words.name(), try words.number(), requestID: try words.number(),
                fencingToken: try words.number("token="), to: try words.word())
        case "publish":
            return .publish(
                try words.name(), try words.number(), requestID: try words.number(),
                fencingToken: try words.number("token="), value: try words.word())
        case "evict":
            return .evict(
                try words.name(), participant: try words.word(),
                session: try words.number("session="), fencingToken: try words.number("token="))
        case "close": return .closeSession(try words.name(), try words.number())
        case "delete": return .deletePrimitive(try words.name())
        case "gap": return .closeGap(try words.number(), requestID: try words.number())
        case "expire":
            let named = try words.rest().map { word in
                let parts = try Words.numbers(word, "@")
                return Expiry(session: parts.0, deadlineMilliseconds: parts.1)
            }
            let due = replica.machine.expiredSessions(at: replica.time)
            return .expire(named.isEmpty ? due : named)
        default: throw Mistake(description: "no such command: \(verb)")  // default: open set
        }
    }

    private mutating func read(_ verb: String, _ words: inout Words) throws -> [String] {
        switch verb {
        case "look":
            let due = replica.machine.expiredSessions(at: replica.time)
            return [
                "due: "
                    + due.map { "\($0.session)@\($0.deadlineMilliseconds)" }
                    .joined(separator: " ")
            ]
        case "get":
            let result = replica.machine.get(
                try words.name(), session: try words.number(), requestID: try words.number())
            return switch result {
            case .unknownSession: ["unknown session"]
            case .notYet: ["not yet"]
            case .found(let state): [Transcript.text(state)]
            }
        case "state":
            return [replica.machine.latchState(try words.name()).map(Transcript.text) ?? "none"]
        case "ledger":
            guard let view = replica.machine.view(try words.name()) else { return ["none"] }
            return view.ledger.isEmpty ? ["empty"] : view.ledger.map(Transcript.text)
        default:  // default: open set
            let key = try Words.numbers(try words.word(), "/")
            let frames = replica.machine.frames(
                of: StreamKey(session: key.0, stream: key.1), after: try words.number("after="))
            return frames.map { $0.map { "frame \(Transcript.text($0))" } } ?? ["lost"]
        }
    }

    private mutating func limits(_ words: Words) throws -> [String] {
        var limits = Limits.standard
        for word in words.rest() {
            let parts = word.split(separator: "=")
            guard parts.count == 2, let value = Int(parts[1]) else {
                throw Mistake(description: "no limit: \(word)")
            }
            switch parts[0] {
            case "sessions": limits.sessions = value
            case "primitives": limits.primitives = value
            case "participants": limits.participantsPerLatch = value
            case "streams": limits.streamsPerSession = value
            case "held": limits.heldCommandsPerSession = value
            case "answers": limits.answersPerSession = value
            case "events": limits.eventsPerLatch = value
            case "batch": limits.sessionsPerExpiry = value
            default: throw Mistake(description: "no limit: \(word)")  // default: open set
            }
        }
        replica = Replica(limits)
        return []
    }
}

/// The words of one command, taken from the front.
struct Words {
    private var words: ArraySlice<String>

    init(_ words: [String]) { self.words = words[...] }

    mutating func word() throws -> String {
        guard let word = words.popFirst() else {
            throw ScenarioRunner.Mistake(description: "a word is missing")
        }
        return word
    }

    mutating func number(_ prefix: String = "") throws -> UInt64 {
        let word = try word()
        guard word.hasPrefix(prefix), let number = UInt64(word.dropFirst(prefix.count)) else {
            throw ScenarioRunner.Mistake(description: "\(word) is no number after '\(prefix)'")
        }
        return number
    }

    mutating func name() throws -> PrimitiveName {
        let parts = try word().split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw ScenarioRunner.Mistake(description: "a name is namespace/name")
        }
        return PrimitiveName(namespace: String(parts[0]), name: String(parts[1]))
    }

    func rest() -> [String] { Array(words) }

    static func numbers(_ word: String, _ separator: Character) throws -> (UInt64, UInt64) {
        let parts = word.split(separator: separator)
        guard parts.count == 2, let first = UInt64(parts[0]), let second = UInt64(parts[1]) else {
            throw ScenarioRunner.Mistake(description: "\(word) is no pair of numbers")
        }
        return (first, second)
    }
}
