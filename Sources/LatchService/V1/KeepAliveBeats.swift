import LatchAPI
import LatchMachine

/// The beats of one KeepAlive stream that are not answered yet, in order.
struct KeepAliveBeats {
    /// A beat: one response, complete once every session is settled.
    struct Beat {
        let number: UInt64
        var response: Latchd_V1_KeepAliveResponse
        var unsettled: Int
    }

    private var beats: [Beat] = []
    private var nextNumber: UInt64 = 0
    /// Sessions of unanswered beats.
    private(set) var sessions = 0
    private var shortestTimeout = ShortestTimeout()

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
        beats.append(Beat(number: number, response: response, unsettled: sessions.count))
        self.sessions += sessions.count
        return number
    }

    /// What the cluster said of one session of a beat.
    enum Decision {
        /// It is alive, with this timeout in milliseconds, and its latch looks like this.
        case renewed(timeout: UInt64, LatchView?)
        case lost
        /// Nothing, and nothing will come.
        case unknown
    }

    /// One session of a beat is settled. Too late for a beat that is answered already.
    mutating func settle(
        _ number: UInt64, _ position: Int, _ decision: Decision, at milliseconds: UInt64
    ) {
        if case .renewed(let timeout, _) = decision {
            shortestTimeout.note(timeout, at: milliseconds)
        }
        guard let place = place(of: number) else { return }
        beats[place].unsettled -= 1
        let session = beats[place].response.sessions[position].sessionID
        switch decision {
        case .renewed(let timeout, let view):
            var life = Latchd_V1_SessionLife.alive(session, timeout: timeout)
            if let view { life.show(view, index: view.index) }
            beats[place].response.sessions[position] = life
        case .lost:
            beats[place].response.sessions[position].state = .lost
        case .unknown:
            break
        }
    }

    /// The patience with this beat is over: what is not decided stays in jeopardy.
    mutating func giveUp(_ number: UInt64) {
        if let place = place(of: number) { beats[place].unsettled = 0 }
    }

    /// Takes the next response that is complete, if it is the oldest one's turn.
    mutating func takeComplete() -> Latchd_V1_KeepAliveResponse? {
        guard let first = beats.first, first.unsettled <= 0 else { return nil }
        beats.removeFirst()
        sessions -= first.response.sessions.count
        return first.response
    }

    /// How long a beat may take, in milliseconds: a fifth of the shortest session's timeout, so
    /// that the client can ask other nodes before anything is lost.
    mutating func patienceMilliseconds(at milliseconds: UInt64) -> Int64 {
        let longest: UInt64 = 1_000
        let timeout = shortestTimeout.value(at: milliseconds) ?? longest * 5
        return Int64(min(max(timeout / 5, 50), longest))
    }

    /// Where a beat is that is not answered yet.
    private func place(of number: UInt64) -> Int? {
        guard let first = beats.first?.number, number >= first else { return nil }
        let place = Int(number &- first)
        return beats.indices.contains(place) ? place : nil
    }
}

/// The shortest timeout of the sessions that a stream keeps alive, in milliseconds.
///
/// Sessions end, and not every end is told here. But one with a timeout of less than `window` is
/// renewed within it: what was not has a longer one, or is over. Time is an argument.
struct ShortestTimeout {
    /// In milliseconds. From this timeout on the patience with a beat does not grow.
    private static let window: UInt64 = 5_000

    /// Of the window of time that lasts, and of the one before.
    private var current: UInt64?
    private var previous: UInt64?
    private var windowBegan: UInt64 = 0

    /// A session of this timeout was renewed.
    mutating func note(_ timeout: UInt64, at milliseconds: UInt64) {
        turn(to: milliseconds)
        current = min(current ?? .max, timeout)
    }

    /// Nil if no session was renewed lately.
    mutating func value(at milliseconds: UInt64) -> UInt64? {
        turn(to: milliseconds)
        return [current, previous].compactMap { $0 }.min()
    }

    private mutating func turn(to milliseconds: UInt64) {
        guard milliseconds >= windowBegan + Self.window else { return }
        previous = milliseconds < windowBegan + 2 * Self.window ? current : nil
        current = nil
        windowBegan = milliseconds
    }
}
