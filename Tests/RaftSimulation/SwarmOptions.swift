package import LatchMachine
package import RaftCore

/// What one seed's world is like. Each seed turns some faults on and leaves others out, so that
/// faults that would hide each other also come alone ("swarm testing").
package struct SwarmOptions: Sendable {
    package struct Network: Sendable {
        package var lossPermille: UInt64 = 0
        package var duplicationPermille: UInt64 = 0
        package var delayMilliseconds: ClosedRange<UInt64> = 1...3
        /// Messages that come very late: whole elections lie between.
        package var straggleDelayMilliseconds: ClosedRange<UInt64> = 0...0
        package var stragglePermille: UInt64 = 0
        /// Whether a link keeps the order, as a TCP connection does.
        package var isOrdered = true
    }

    /// How often the nemesis picks each fault, relative to the others; 0 is never.
    package struct Nemesis: Sendable {
        package var crash = 0
        package var crashAll = 0
        package var pause = 0
        package var partition = 0
        package var flap = 0
        package var slowDisk = 0
        package var falseEvidence = 0
        package var transfer = 0
        /// How often a new leader is struck at once.
        package var ambushPermille: UInt64 = 0
        package var pauseBetweenMilliseconds: ClosedRange<UInt64> = 100...600
    }

    package var serverCount = 3
    package var settings = RaftSettings()
    package var limits = Limits()
    package var network = Network()
    package var nemesis = Nemesis()
    package var diskMilliseconds: ClosedRange<UInt64> = 0...2
    package var turnDelayMilliseconds: ClosedRange<UInt64> = 0...1
    package var snapshotEveryEntries: UInt64 = 20
    package var clientCount = 3
    package var clientPauseMilliseconds: ClosedRange<UInt64> = 5...60
    package var sessionTimeoutMilliseconds: ClosedRange<UInt64> = 200...2_000
    package var graceMilliseconds: UInt64 = 100
    package var trueEvidencePermille: UInt64 = 800
    package var faultMilliseconds: UInt64 = 4_000

    package init() {}

    /// The world of `seed`: drawn from `generator`, which has nothing else to do yet.
    package init(drawnFrom generator: inout SeededGenerator) {
        serverCount = generator.pick([1, 3, 3, 3, 3, 3, 3, 5, 5, 5, 7])
        drawSettings(&generator)
        drawNetwork(&generator)
        drawNemesis(&generator)
        diskMilliseconds = generator.pick([0...0, 0...2, 1...10, 5...60])
        turnDelayMilliseconds = generator.pick([0...0, 0...1, 0...5])
        snapshotEveryEntries = generator.pick([4, 8, 16, 40, 150])
        clientCount = 1 + generator.below(3)
        clientPauseMilliseconds = generator.pick([2...20, 5...60, 50...200])
        graceMilliseconds = generator.pick([0, 100, 1_000])
        trueEvidencePermille = generator.pick([0, 800, 1_000])
        // Larger clusters send more messages in the same time.
        faultMilliseconds = generator.draw(from: 600...2_400) / UInt64(1 + serverCount / 5)
        limits.eventsPerLatch = generator.pick([2, 8, 128])
        limits.answersPerSession = generator.pick([2, 8, 64])
        limits.heldCommandsPerSession = generator.pick([1, 4, 64])
        limits.participantsPerLatch = generator.pick([2, 1_024])
        limits.sessionsPerExpiry = generator.pick([1, 1_024])
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
        settings.maximumUncommittedBytes = generator.pick([400, 64 << 20])
        settings.snapshotChunkBytes = generator.pick([50, 400, 256 << 10])
        settings.entriesKeptBehindSnapshot = generator.pick([0, 2, 10])
    }

    private mutating func drawNetwork(_ generator: inout SeededGenerator) {
        network.lossPermille = generator.pick([0, 0, 10, 50, 200])
        network.duplicationPermille = generator.pick([0, 0, 20, 200])
        network.delayMilliseconds = generator.pick([0...1, 1...3, 1...20, 5...60])
        network.stragglePermille = generator.pick([0, 0, 5, 30])
        network.straggleDelayMilliseconds =
            50...(settings.electionTimeoutMilliseconds.upperBound * 12)
        network.isOrdered = generator.happens(permille: 400)
    }

    private mutating func drawNemesis(_ generator: inout SeededGenerator) {
        func weight(_ choices: [Int]) -> Int { generator.pick(choices) }
        nemesis.crash = weight([0, 1, 3])
        nemesis.crashAll = weight([0, 0, 1])
        nemesis.pause = weight([0, 0, 1, 3])
        nemesis.partition = weight([0, 1, 3])
        nemesis.flap = weight([0, 0, 1])
        nemesis.slowDisk = weight([0, 0, 1])
        nemesis.falseEvidence = weight([0, 0, 1])
        nemesis.ambushPermille = generator.pick([0, 0, 300, 800])
        nemesis.transfer = weight([0, 1, 1])
        nemesis.pauseBetweenMilliseconds = generator.pick([20...120, 50...300, 200...900])
    }
}
