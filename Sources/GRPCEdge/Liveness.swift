/// How long a peer may keep a connection waiting, counted in turns of a clock (sweeps).
///
/// A value without a clock of its own: one timer a loop drives all its connections.
struct Liveness {
    /// What a sweep asks the connection to do.
    enum Action: Equatable {
        case none
        case ping
        /// No preface, or no TLS, within the limit.
        case closeUngreeted
        /// A header block that does not end.
        case closeStalledHead
        case closeSilent
        /// The peer does not even take the last bytes.
        case closeNow
    }

    private let handshakeSweeps: Int
    private let requestSweeps: Int
    private let pingSweeps: Int

    /// Sweeps so far.
    private(set) var sweeps = 0
    private var isGreeted = false
    private var isAwaitingPong = false
    private var lastPingSweep = 0
    private var headBeganInSweep: Int?
    private var closingBeganInSweep: Int?

    init(_ settings: EdgeSettings) {
        let sweep = Self.sweepMilliseconds(settings)
        handshakeSweeps = max(1, settings.handshakeTimeoutMilliseconds / sweep)
        requestSweeps = max(1, settings.requestTimeoutMilliseconds / sweep)
        pingSweeps = max(1, settings.pingIntervalSeconds * 1000 / sweep)
    }

    /// The time between sweeps: a quarter of the shortest limit, within 20 ms and 1 s.
    static func sweepMilliseconds(_ settings: EdgeSettings) -> Int {
        let shortest = min(
            settings.handshakeTimeoutMilliseconds, settings.requestTimeoutMilliseconds,
            settings.pingIntervalSeconds * 1000)
        return min(max(shortest / 4, 20), 1000)
    }

    mutating func greeted() { isGreeted = true }
    mutating func ponged() { isAwaitingPong = false }
    mutating func headBegan() { headBeganInSweep = sweeps }
    mutating func headEnded() { headBeganInSweep = nil }
    mutating func beginClosing() { closingBeganInSweep = sweeps }

    /// Whether a request that began in that sweep has taken too long.
    func isOverdue(_ beganInSweep: Int) -> Bool {
        sweeps - beganInSweep > requestSweeps
    }

    /// One turn of the clock.
    mutating func sweep() -> Action {
        sweeps += 1
        if let closingBeganInSweep {
            return sweeps - closingBeganInSweep > handshakeSweeps ? .closeNow : .none
        }
        guard isGreeted else { return sweeps > handshakeSweeps ? .closeUngreeted : .none }
        if let headBeganInSweep, isOverdue(headBeganInSweep) { return .closeStalledHead }
        guard sweeps - lastPingSweep >= pingSweeps else { return .none }
        guard !isAwaitingPong else { return .closeSilent }
        lastPingSweep = sweeps
        isAwaitingPong = true
        return .ping
    }
}
