package import LatchMachine
package import RaftCore

/// What one seed's world is like. Each seed turns some faults on and leaves others out, so that
/// faults that would hide each other also come alone ("swarm testing").
package struct SwarmOptions: Sendable {
    package struct Network: Sendable {
        /// Links behave as TCP connections: in order, whole or broken. Otherwise each Raft message
        /// goes its own way, as the paper's network allows.
        package var isStream = false
        package var lossPermille: UInt64 = 0
        package var duplicationPermille: UInt64 = 0
        package var delayMilliseconds: ClosedRange<UInt64> = 1...3
        /// Messages that come very late: whole elections lie between.
        package var straggleDelayMilliseconds: ClosedRange<UInt64> = 0...0
        package var stragglePermille: UInt64 = 0
        /// Refusals and read indexes come so much later than other messages: leaders change between
        /// the question and its answer.
        package var answerDelayMilliseconds: ClosedRange<UInt64> = 0...0
        /// Whether a link keeps the order although it is no stream.
        package var isOrdered = true
        /// Frames that a stream holds for a peer that does not take them.
        package var bufferedFrames = 400
    }

    /// How often the nemesis picks each fault, relative to the others; 0 is never.
    package struct Nemesis: Sendable {
        package var crash = 0
        package var crashAll = 0
        package var crashAtDisk = 0
        package var failDisk = 0
        package var pause = 0
        package var partition = 0
        package var flap = 0
        package var slowDisk = 0
        package var falseEvidence = 0
        package var retire = 0
        package var isolate = 0
        package var strand = 0
        package var hold = 0
        /// How often a new leader is struck at once.
        package var ambushPermille: UInt64 = 0
        package var pauseBetweenMilliseconds: ClosedRange<UInt64> = 100...600
    }

    package struct Clients: Sendable {
        package var count = 3
        package var pauseMilliseconds: ClosedRange<UInt64> = 5...60
        package var retryMilliseconds: ClosedRange<UInt64> = 50...400
        package var sessionTimeoutMilliseconds: ClosedRange<UInt64> = 200...2_000
        package var lostReplyPermille: UInt64 = 50
        package var reconnectPermille: UInt64 = 50
        package var latchNames = 2
        /// How willing clients are to close, to delete or to fall silent. Where they are not, their
        /// streams last, and fall behind when a node does.
        package var leavePermille: UInt64 = 1_000
        /// How many joins carry no request id (Q4).
        package var unsequencedPermille: UInt64 = 100
        /// How many open a stream as soon as they have a session.
        package var watchPermille: UInt64 = 0
        /// How often a client leaves, hands over, publishes, or evicts as an operator does.
        package var movePermille: UInt64 = 0
        /// How many latches are observed, of those that there are on each node.
        package var observers = 0
        /// How often a client reads beside its calls, at each tick.
        package var readPermille: UInt64 = 150
        /// How many of the clients stay with a server that is cut off.
        package var stickyPermille: UInt64 = 400
    }

    package var serverCount = 3
    package var settings = RaftSettings()
    package var limits = Limits()
    package var network = Network()
    package var nemesis = Nemesis()
    package var clients = Clients()
    package var diskMilliseconds: ClosedRange<UInt64> = 0...2
    package var turnDelayMilliseconds: ClosedRange<UInt64> = 0...1
    package var snapshotEveryEntries: UInt64 = 20
    package var digestEveryEntries: UInt64 = 8
    package var graceMilliseconds: UInt64 = 100
    package var requestTimeoutMilliseconds: UInt64 = 1_000
    package var gapTimeoutMilliseconds: UInt64 = 100
    package var renewalDelayMilliseconds: UInt64 = 5
    package var maximumPendingCalls = 1_000
    package var maximumSubscribers = 1_000
    /// Clocks run up to 5 % fast or slow.
    package var areClocksDrifting = false
    package var trueEvidencePermille: UInt64 = 800
    package var faultMilliseconds: UInt64 = 2_000

    package init() {}

    /// The world of a seed: drawn from `generator`, which has nothing else to do yet.
    package init(drawnFrom generator: inout SeededGenerator) {
        serverCount = generator.pick([1, 2, 3, 3, 3, 3, 3, 3, 4, 5, 5, 7])
        drawSettings(&generator)
        drawNetwork(&generator)
        drawNemesis(&generator)
        drawClients(&generator)
        diskMilliseconds = generator.pick([0...0, 0...2, 1...10, 5...60])
        turnDelayMilliseconds = generator.pick([0...0, 0...1, 0...5])
        trueEvidencePermille = generator.pick([0, 800, 1_000])
        areClocksDrifting = generator.happens(permille: 500)
        // Larger clusters send more messages in the same time.
        faultMilliseconds = generator.draw(from: 600...2_400) / UInt64(1 + serverCount / 5)
        snapshotEveryEntries = generator.pick([4, 8, 16, 40, 150])
        digestEveryEntries = generator.pick([1, 7, 64])
        graceMilliseconds = generator.pick([0, 100, 1_000])
        requestTimeoutMilliseconds = generator.pick([150, 400, 1_500])
        gapTimeoutMilliseconds = generator.pick([30, 100, 400])
        renewalDelayMilliseconds = generator.pick([0, 5, 30])
        maximumPendingCalls = generator.pick([2, 1_000, 1_000, 1_000])
        maximumSubscribers = generator.pick([1, 1_000, 1_000, 1_000])
        limits.eventsPerLatch = generator.pick([2, 8, 128])
        limits.answersPerSession = generator.pick([2, 8, 64])
        limits.heldCommandsPerSession = generator.pick([1, 4, 64])
        limits.participantsPerLatch = generator.pick([2, 1_024])
        limits.sessionsPerExpiry = generator.pick([1, 1_024])
        if generator.happens(permille: 10) { liveLong() }
    }

    /// Long and calm enough, and with one latch that goes from hand to hand, to fill its ledger.
    private mutating func liveLong() {
        faultMilliseconds *= 8
        requestTimeoutMilliseconds = 1_500
        nemesis.pauseBetweenMilliseconds = 1_000...3_000
        network.lossPermille = 0
        network.delayMilliseconds = 0...2
        diskMilliseconds = 0...2
        turnDelayMilliseconds = 0...1
        clients.count = max(clients.count, 3)
        clients.pauseMilliseconds = 2...20
        clients.sessionTimeoutMilliseconds = 200...2_000
        clients.latchNames = 1
        clients.movePermille = 700
        clients.leavePermille = 50
        // Few calls of unknown outcome: so long a history could not be decided otherwise.
        clients.unsequencedPermille = 0
        clients.lostReplyPermille = 0
        clients.retryMilliseconds = 200...1_000
    }

    private mutating func drawSettings(_ generator: inout SeededGenerator) {
        let least = generator.draw(from: 80...160)
        settings.electionTimeoutMilliseconds = least...(least * generator.pick([2, 2, 3]))
        settings.heartbeatIntervalMilliseconds = least / generator.pick([2, 3, 4])
        settings.unreachableLeaderDelayMilliseconds = generator.pick([1, 8, 20])
        settings.maximumEntriesPerAppend = generator.pick([1, 3, 2_048])
        settings.maximumBytesPerAppend = generator.pick([1, 200, 1 << 20])
        settings.maximumInFlightAppends = generator.pick([1, 4, 64])
        settings.maximumInFlightBytes = generator.pick([100, 8 << 20])
        settings.maximumUncommittedBytes = generator.pick([400, 64 << 20, 64 << 20])
        settings.snapshotChunkBytes = generator.pick([50, 400, 256 << 10])
        settings.entriesKeptBehindSnapshot = generator.pick([0, 2, 10])
    }

    private mutating func drawNetwork(_ generator: inout SeededGenerator) {
        network.isStream = generator.happens(permille: 500)
        network.lossPermille = generator.pick([0, 0, 10, 50, 200])
        network.duplicationPermille = generator.pick([0, 0, 20, 200])
        network.delayMilliseconds = generator.pick([0...1, 1...3, 1...20, 5...60])
        network.stragglePermille = generator.pick([0, 10, 50, 150])
        network.straggleDelayMilliseconds =
            50...(settings.electionTimeoutMilliseconds.upperBound * 12)
        network.isOrdered = generator.happens(permille: 400)
        network.bufferedFrames = generator.pick([3, 20, 400])
        network.answerDelayMilliseconds = generator.pick([
            0...0, 0...0, 0...(settings.electionTimeoutMilliseconds.upperBound * 4),
        ])
    }

    private mutating func drawNemesis(_ generator: inout SeededGenerator) {
        nemesis.crash = generator.pick([0, 1, 3])
        nemesis.crashAll = generator.pick([0, 0, 1])
        nemesis.crashAtDisk = generator.pick([0, 0, 2])
        nemesis.failDisk = generator.pick([0, 0, 1])
        nemesis.pause = generator.pick([0, 0, 1, 3])
        nemesis.partition = generator.pick([0, 1, 3])
        nemesis.flap = generator.pick([0, 0, 1])
        nemesis.slowDisk = generator.pick([0, 0, 1])
        nemesis.falseEvidence = generator.pick([0, 0, 1])
        nemesis.ambushPermille = generator.pick([0, 0, 300, 800])
        nemesis.retire = generator.pick([0, 0, 1, 2])
        nemesis.isolate = generator.pick([0, 1, 2])
        nemesis.strand = generator.pick([0, 1, 2])
        nemesis.hold = network.isStream ? 0 : generator.pick([0, 1, 2])
        nemesis.pauseBetweenMilliseconds = generator.pick([20...120, 50...300, 200...900])
    }

    private mutating func drawClients(_ generator: inout SeededGenerator) {
        clients.count = generator.pick([1, 2, 3, 3, 5])
        clients.pauseMilliseconds = generator.pick([2...20, 5...60, 50...200])
        clients.retryMilliseconds = generator.pick([10...60, 50...400, 200...1_000])
        clients.sessionTimeoutMilliseconds = generator.pick([60...300, 200...2_000])
        clients.lostReplyPermille = generator.pick([0, 50, 200])
        clients.reconnectPermille = generator.pick([0, 30, 150])
        clients.latchNames = generator.pick([1, 2, 3])
        clients.leavePermille = generator.pick([1_000, 1_000, 50])
        clients.watchPermille = generator.pick([0, 300, 900])
        clients.unsequencedPermille = generator.pick([0, 100, 500])
        clients.readPermille = generator.pick([50, 150, 500])
        clients.stickyPermille = generator.pick([0, 400, 700])
        clients.movePermille = generator.pick([0, 0, 150, 400, 700])
        clients.observers = generator.pick([0, 1, 3])
    }
}
