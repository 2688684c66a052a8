/// One client's session: what it asked, what it was answered, and until when it lives.
struct Session: Sendable {
    /// A session belongs to the primitive it was opened on; elsewhere it is unknown (Clarified g).
    let primitive: PrimitiveName
    let timeoutMilliseconds: UInt64
    /// Log time of the last open or renewal plus the timeout. No other call moves it (S4).
    var deadlineMilliseconds: UInt64
    /// Every request id up to this one is decided: applied, refused or void. Never goes back.
    var lastRequestID: UInt64 = 0
    /// The highest request id that any keep-alive so far acknowledged, never over `lastRequestID`.
    var acknowledgedRequestID: UInt64 = 0
    /// Ascending by request id, all ≤ `lastRequestID`.
    var answers: [StoredAnswer] = []
    /// Ascending by request id, all > `lastRequestID` + 1.
    var held: [HeldCommand] = []
    /// Ascending by id.
    var streams: [EventStream] = []
    /// Ascending, disjoint. Only the newest ones are kept.
    var voids: [VoidRange] = []
    /// Where the expiry queue has this session. Derived: in no snapshot, no digest, no decision.
    var queuedDeadlineMilliseconds: UInt64

    /// Void ranges kept for each session; ids of older ones read as already acknowledged.
    static let voidRangesKept = 8

    init(primitive: PrimitiveName, timeoutMilliseconds: UInt64, deadlineMilliseconds: UInt64) {
        self.primitive = primitive
        self.timeoutMilliseconds = timeoutMilliseconds
        self.deadlineMilliseconds = deadlineMilliseconds
        queuedDeadlineMilliseconds = deadlineMilliseconds
    }
}

/// What a sequenced command asks, apart from who asks and its number.
enum CommandContent: Sendable {
    case latch(LatchCommand)
    /// `index` is the client's highest seen one.
    case openStream(index: UInt64)

    /// Whether a retry under the same request id is the same command. The index that comes with an
    /// Events call only says what the client has seen, which may grow between two tries.
    func isSameCommand(as other: CommandContent) -> Bool {
        switch (self, other) {
        case (.latch(let mine), .latch(let theirs)): mine == theirs
        case (.openStream, .openStream): true
        case (.latch, .openStream), (.openStream, .latch): false
        }
    }
}

/// What a session asks of its latch.
enum LatchCommand: Hashable, Sendable {
    case join(ExactText)
    case leave(ExactText)
    case handOver(token: UInt64, to: ExactText)
    case publish(token: UInt64, value: ExactText)
}

/// The answer to a command, kept for its retries (Q1).
struct StoredAnswer: Sendable {
    let requestID: UInt64
    let content: CommandContent
    let result: CommandResult

    var answer: Answer { result.answer }
}

/// What can be stored as an answer. An open stream needs none: its record answers its retries (E4).
enum CommandResult: Sendable {
    case latched(LatchState, index: UInt64)
    case refused(Rejection)
}

/// A command that waits for the request ids before it (Q3).
struct HeldCommand: Sendable {
    let requestID: UInt64
    let content: CommandContent
}

/// Request ids that were given up when a gap was closed: nothing under them is ever applied.
struct VoidRange: Hashable, Sendable {
    let first: UInt64
    let last: UInt64
}
