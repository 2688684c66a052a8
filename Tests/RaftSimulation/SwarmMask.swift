import LatchMachine
import RaftCore

/// What is left out of a seed's world, to find the smallest one in which it still fails.
package struct SwarmMask: Sendable, Equatable, CustomStringConvertible {
    /// Faults and oddities that can be left out, each alone.
    package enum Part: String, CaseIterable, Sendable {
        case loss, duplication, straggling, reordering, delay, crash, crashAll, crashAtDisk
        case failDisk, pause, partition, flap, slowDisk, lies, retire, ambush, drift, slowTurns
        case lostReplies, reconnects, tinyLimits, tinyRaft, snapshots, tinyQueues, isolate
        case strand, hold, sticking, moves, observers
    }

    package var parts: Set<Part> = []
    /// Fewer clients, a shorter time of faults; nil leaves them as drawn.
    package var clients: Int?
    package var milliseconds: UInt64?

    package init() {}

    /// Reads what ``description`` writes; nil if it is none.
    package init?(_ text: String) {
        for word in text.split(separator: ",") where word != "none" {
            if let part = Part(rawValue: String(word)) {
                parts.insert(part)
            } else if word.hasPrefix("clients="), let count = Int(word.dropFirst(8)), count > 0 {
                clients = count
            } else if word.hasPrefix("ms="), let time = UInt64(word.dropFirst(3)), time > 0 {
                milliseconds = time
            } else {
                return nil
            }
        }
    }

    /// The smallest world found in which the seed still `fails`: parts are left out one after the
    /// other for as long as it does.
    package func shrunk(while fails: (SwarmMask) -> Bool) -> SwarmMask {
        var mask = self
        func tryOut(_ change: (inout SwarmMask) -> Void) {
            var candidate = mask
            change(&candidate)
            if fails(candidate) { mask = candidate }
        }
        for part in Part.allCases where !mask.parts.contains(part) {
            tryOut { $0.parts.insert(part) }
        }
        for count in 1...3 where mask.clients == nil { tryOut { $0.clients = count } }
        for time: UInt64 in [50, 100, 200, 400, 800, 1_600] where mask.milliseconds == nil {
            tryOut { $0.milliseconds = time }
        }
        return mask
    }

    package var description: String {
        var words = Part.allCases.filter(parts.contains).map(\.rawValue)
        if let clients { words.append("clients=\(clients)") }
        if let milliseconds { words.append("ms=\(milliseconds)") }
        return words.isEmpty ? "none" : words.joined(separator: ",")
    }
}

extension SwarmOptions {
    mutating func apply(_ mask: SwarmMask) {
        for part in SwarmMask.Part.allCases where mask.parts.contains(part) { leaveOut(part) }
        if let count = mask.clients { clients.count = min(count, clients.count) }
        if let time = mask.milliseconds { faultMilliseconds = min(time, faultMilliseconds) }
    }

    private mutating func leaveOut(_ part: SwarmMask.Part) {
        switch part {
        case .loss: network.lossPermille = 0
        case .duplication: network.duplicationPermille = 0
        case .straggling: network.stragglePermille = 0
        case .reordering: network.isOrdered = true
        case .delay: network.delayMilliseconds = 1...1
        case .crash: nemesis.crash = 0
        case .crashAll: nemesis.crashAll = 0
        case .crashAtDisk: nemesis.crashAtDisk = 0
        case .failDisk: nemesis.failDisk = 0
        case .pause: nemesis.pause = 0
        case .partition: nemesis.partition = 0
        case .flap: nemesis.flap = 0
        case .slowDisk: nemesis.slowDisk = 0
        case .lies: nemesis.falseEvidence = 0
        case .retire: nemesis.retire = 0
        case .isolate: nemesis.isolate = 0
        case .strand: nemesis.strand = 0
        case .hold: nemesis.hold = 0
        case .sticking: clients.stickyPermille = 0
        case .moves: clients.movePermille = 0
        case .observers: clients.observers = 0
        case .ambush: nemesis.ambushPermille = 0
        case .drift: areClocksDrifting = false
        case .slowTurns: turnDelayMilliseconds = 0...0
        case .lostReplies: clients.lostReplyPermille = 0
        case .reconnects: clients.reconnectPermille = 0
        case .tinyLimits: limits = Limits()
        case .tinyRaft:
            let timeout = settings.electionTimeoutMilliseconds
            let heartbeat = settings.heartbeatIntervalMilliseconds
            settings = RaftSettings()
            settings.electionTimeoutMilliseconds = timeout
            settings.heartbeatIntervalMilliseconds = heartbeat
        case .snapshots: snapshotEveryEntries = 100_000
        case .tinyQueues:
            maximumPendingCalls = 1_000
            maximumSubscribers = 1_000
            network.bufferedFrames = 400
        }
    }
}
