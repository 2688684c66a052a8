import LatchAPI
import LatchMachine

/// The beats of one KeepAlive stream that are not answered yet, in order.
struct KeepAliveBeats {
    /// A beat: one response, complete once every session is decided.
    struct Beat {
        let number: UInt64
        var response: Latchd_V1_KeepAliveResponse
        var undecided: Int
    }

    private var beats: [Beat] = []
    private var nextNumber: UInt64 = 0
    /// Sessions of unanswered beats.
    private(set) var sessions = 0
    /// The shortest timeout of the sessions that were renewed, in milliseconds.
    private(set) var shortestTimeout: UInt64?

    var isEmpty: Bool { beats.isEmpty }
    var count: Int { beats.count }

    /// Begins a beat; all of its sessions are in jeopardy until they are decided. Returns its
    /// number in the stream.
    mutating func begin(_ sequence: UInt64, _ sessions: [SessionID]) -> UInt64 {
        let number = nextNumber
        nextNumber &+= 1
        var response = Latchd_V1_KeepAliveResponse()
        response.sequence = sequence
        response.sessions = sessions.map { Latchd_V1_SessionLife($0, .jeopardy) }
        beats.append(Beat(number: number, response: response, undecided: sessions.count))
        self.sessions += sessions.count
        return number
    }

    /// What became of one session of a beat; nil: the cluster could not decide. Of a beat that is
    /// answered already it is too late.
    mutating func settle(
        _ number: UInt64, _ position: Int, _ outcome: (isAlive: Bool, timeout: UInt64)?
    ) {
        if let outcome, outcome.isAlive {
            shortestTimeout = min(shortestTimeout ?? .max, outcome.timeout)
        }
        guard let first = beats.first?.number, number >= first else { return }
        let place = Int(number &- first)
        guard beats.indices.contains(place) else { return }
        beats[place].undecided -= 1
        guard let outcome else { return }
        let session = beats[place].response.sessions[position].sessionID
        beats[place].response.sessions[position] =
            outcome.isAlive
            ? .alive(session, timeout: outcome.timeout) : Latchd_V1_SessionLife(session, .lost)
    }

    /// The patience with this beat is over: what is not decided stays in jeopardy.
    mutating func giveUp(_ number: UInt64) {
        guard let first = beats.first?.number, number >= first else { return }
        let place = Int(number &- first)
        if beats.indices.contains(place) { beats[place].undecided = 0 }
    }

    /// Takes the next response that is complete, if it is the oldest one's turn.
    mutating func takeComplete() -> Latchd_V1_KeepAliveResponse? {
        guard let first = beats.first, first.undecided <= 0 else { return nil }
        beats.removeFirst()
        sessions -= first.response.sessions.count
        return first.response
    }

    /// How long a beat may take, in milliseconds: a fifth of the shortest session's timeout, so
    /// that the client can ask other nodes before anything is lost.
    var patienceMilliseconds: Int64 {
        let longest: UInt64 = 1_000
        return Int64(min(max((shortestTimeout ?? longest * 5) / 5, 50), longest))
    }
}
