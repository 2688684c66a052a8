import LatchMachine
import RaftCore

/// One call on its way to a server.
struct ClientRequest: Sendable {
    let client: Int
    /// Names the call; all its attempts carry it.
    let call: UInt64
    /// The server that the client asked, which answers once it has applied the entry. From 0.
    let origin: Int
    let command: Command
}

struct ClientAnswer: Sendable {
    let call: UInt64
    let answer: Answer
}

/// A program that uses latches, as far as the servers can see: it opens sessions, sends commands,
/// and repeats a call with the same request id through other servers until it is answered.
struct SimulatedClient: Sendable {
    struct Call: Sendable {
        let number: UInt64
        let command: Command
        let begunAt: UInt64
        var attempts = 0
        /// The machine holds this command until the request ids before it are there (Q3).
        var isHeld = false
    }

    let number: Int
    private(set) var name: PrimitiveName
    private(set) var session: SessionID?
    private(set) var timeoutMilliseconds: UInt64 = 0
    private var nextRequestID: UInt64 = 1
    private var answeredRequestID: UInt64 = 0
    private var streams: [UInt64] = []
    private(set) var call: Call?
    private var callCount: UInt64 = 0
    /// True while this client has stopped for good: its session must expire.
    private var isSilent = false

    init(number: Int) {
        self.number = number
        name = PrimitiveName(namespace: "sim", name: "a")
    }

    /// What to send now: the open call again, or a new one. Nil: nothing this time.
    mutating func nextCall(
        at now: UInt64, _ options: SwarmOptions, _ generator: inout SeededGenerator
    ) -> Call? {
        if let open = call {
            if open.isHeld, open.attempts > 3 { closeGap(before: open.command, at: now) }
            if open.attempts > 30 { giveUp() }
            call?.attempts += 1
            return call
        }
        if isSilent {
            isSilent = generator.happens(permille: 900)
            if !isSilent { forgetSession() }
            return nil
        }
        begin(command(options, &generator), at: now)
        return call
    }

    private mutating func begin(_ command: Command, at now: UInt64) {
        callCount += 1
        call = Call(
            number: UInt64(number + 1) << 32 | callCount, command: command, begunAt: now)
    }

    /// What the leader of a real cluster does when a gap stays open: the ids before are void.
    private mutating func closeGap(before command: Command, at now: UInt64) {
        switch command {
        case .latch(_, let session, let requestID, _),
            .openStream(_, let session, let requestID, _):
            begin(.closeGap(session, requestID: requestID - 1), at: now)
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .closeGap,
            .expire:
            break
        }
    }

    private mutating func giveUp() {
        call = nil
        forgetSession()
    }

    private mutating func forgetSession() {
        session = nil
        nextRequestID = 1
        answeredRequestID = 0
        streams = []
    }

    private mutating func command(
        _ options: SwarmOptions, _ generator: inout SeededGenerator
    ) -> Command {
        guard let session else {
            name = PrimitiveName(namespace: "sim", name: generator.pick(["a", "a", "b"]))
            timeoutMilliseconds = generator.draw(from: options.sessionTimeoutMilliseconds)
            return .openSession(name, timeoutMilliseconds: timeoutMilliseconds)
        }
        switch generator.below(100) {
        case 0..<40: return renewal(of: session)
        case 40..<65: return latch(session, &generator)
        case 65..<70:
            return .latch(name, session, requestID: 0, participant: "u\(number)")
        case 70..<78:
            let stream = takeRequestID()
            streams.append(stream)
            return .openStream(name, session, requestID: stream, index: session)
        case 78..<82:
            // A client that lost a call: the id is consumed, the gap must be closed by the servers.
            let gap = takeRequestID()
            return .closeGap(session, requestID: gap)
        case 82..<92: return .closeSession(name, session)
        case 92..<94: return .deletePrimitive(name)
        case 94..<97:
            isSilent = true
            return renewal(of: session)
        default: return latch(session, &generator)
        }
    }

    private mutating func latch(
        _ session: SessionID, _ generator: inout SeededGenerator
    ) -> Command {
        let isShared = generator.happens(permille: 100)
        let participant = isShared ? "shared" : "p\(number)-\(session)"
        if generator.happens(permille: 50) { _ = takeRequestID() }
        return .latch(name, session, requestID: takeRequestID(), participant: participant)
    }

    private mutating func takeRequestID() -> UInt64 {
        defer { nextRequestID += 1 }
        return nextRequestID
    }

    private func renewal(of session: SessionID) -> Command {
        .renew([
            Renewal(
                primitive: name, session: session, acknowledgedRequestID: answeredRequestID,
                streams: streams.map { StreamAcknowledgement(stream: $0, responseID: 1) })
        ])
    }

    /// Takes an answer. True if it confirms that the session lives on from the moment the call was
    /// begun.
    mutating func take(_ answer: ClientAnswer) -> Bool {
        guard let open = call, open.number == answer.call else { return false }
        if case .held = answer.answer {
            call?.isHeld = true
            return false
        }
        call = nil
        switch answer.answer {
        case .sessionOpened(let session):
            forgetSession()
            self.session = session
            return true
        case .renewed(let results):
            if results == [true] { return true }
            forgetSession()
        case .closed:
            forgetSession()
        case .latched, .streamOpened:
            noteAnswered(open.command)
        case .refused(.unknownSession):
            forgetSession()
        case .refused(.alreadyAcknowledged), .refused(.gap), .refused(.requestMismatch),
            .refused(.limit):
            noteAnswered(open.command)
        case .done, .held:
            break
        }
        return false
    }

    private mutating func noteAnswered(_ command: Command) {
        switch command {
        case .latch(_, _, let requestID, _), .openStream(_, _, let requestID, _):
            answeredRequestID = max(answeredRequestID, requestID)
        case .leaderElected, .openSession, .renew, .closeSession, .deletePrimitive, .closeGap,
            .expire:
            break
        }
    }
}
