import LatchAPI

/// A session that the workload keeps alive.
struct KeptSession: Sendable {
    let latch: String
    let id: UInt64
    /// The highest request id that was answered.
    var lastAnswered: UInt64 = 0
}

/// What the clients know of one latch: lower bounds for everything they are told later.
struct LatchHistory: Sendable {
    /// One acknowledged Latch command.
    struct Joined: Sendable {
        let participant: String
        /// The log index at which it was applied, as the answer says.
        let index: UInt64
    }

    var joined: [Joined] = []
    var highestTerm: UInt64 = 0
    var highestToken: UInt64 = 0
    var highestIndex: UInt64 = 0

    mutating func see(_ state: Latchd_V1_LatchState, at index: UInt64) {
        highestTerm = max(highestTerm, state.term)
        highestToken = max(highestToken, state.fencingToken)
        highestIndex = max(highestIndex, index)
    }
}

/// Everything the clients of a workload wrote down.
struct History: Sendable {
    var latches: [String: LatchHistory] = [:]
    /// The writers' latches in the order of their first acknowledged command.
    var names: [String] = []
    /// Sessions that must live.
    var sessions: [UInt64: KeptSession] = [:]
    var violations: [String] = []
    var slowAttempts: [String] = []
    var acknowledgedCount = 0
    var retriedCount = 0
    var readCount = 0
    var busyClients = 0
    var handOvers: UInt64 = 0
    var lastChurnToken: UInt64 = 0
    private var moments: [ContinuousClock.Instant] = []

    mutating func acknowledge(
        _ participant: String, _ requestID: UInt64, in session: KeptSession,
        _ answer: Atomix_Leader_LatchResponse, retried: Bool
    ) {
        acknowledgedCount += 1
        if retried { retriedCount += 1 }
        moments.append(.now)
        sessions[session.id]?.lastAnswered = requestID
        if latches[session.latch] == nil { names.append(session.latch) }
        let index = answer.header.index
        latches[session.latch, default: LatchHistory()].joined.append(
            .init(participant: participant, index: index))
        if answer.latch.participants.last != participant {
            violations.append(
                "\(participant) in \(session.latch): the answer ends with "
                    + (answer.latch.participants.last ?? "nobody"))
        }
    }

    func longestSilence(since start: ContinuousClock.Instant) -> Duration {
        var longest = Duration.zero
        var last = start
        for moment in moments where moment > start {
            longest = max(longest, moment - last)
            last = moment
        }
        return max(longest, .now - last)
    }
}
