import LatchMachine
import PeerTransport
package import RaftCore

/// What a node has counted since its start. Plain numbers that the node's loop adds to; readers get
/// a copy (``LatchNode/readMeters()``). Nothing here decides anything.
package struct NodeMeters: Sendable {
    /// Times this node saw a leader other than the one before.
    package var leaderChanges: UInt64 = 0
    /// Elections that this node began, pre-votes not counted.
    package var electionsStarted: UInt64 = 0
    /// Elections that this node won.
    package var electionsWon: UInt64 = 0
    /// Times this node stopped leading because it heard no majority.
    package var quorumLosses: UInt64 = 0
    /// Commands that this node appended as leader.
    package var proposals: UInt64 = 0
    /// Commands that this node refused as leader.
    package var proposalsRefused: UInt64 = 0
    /// Entries applied to the latch machine.
    package var applied: UInt64 = 0
    /// Keep-alives in the entries that were applied.
    package var renewals: UInt64 = 0
    /// Sessions that ended because they were not kept alive.
    package var expiries: UInt64 = 0
    /// Sessions opened.
    package var sessionsOpened: UInt64 = 0
    /// Sessions that ended, for whatever reason.
    package var sessionsEnded: UInt64 = 0
    /// From handing a step to the disk until it is durable: queue, write and fsync. Nanoseconds.
    package var persists = Histogram(bounds: Histogram.nanosecondBounds)
    /// Log entries in one step for the disk; steps without entries are left out.
    package var persistedEntries = Histogram(bounds: Histogram.sizeBounds)
    /// How long the loop's turns took. Nanoseconds.
    package var turns = Histogram(bounds: Histogram.nanosecondBounds)
    /// Snapshots of its own that this node took.
    package var snapshotsTaken: UInt64 = 0
    /// Snapshots that this node got from a leader.
    package var snapshotsInstalled: UInt64 = 0
    /// Bytes of the newest snapshot; 0 before the first of this process.
    package var snapshotBytes: UInt64 = 0
    /// How long the encoding of snapshots took. Nanoseconds.
    package var snapshots = Histogram(bounds: Histogram.nanosecondBounds)
    /// Links to peers that were lost.
    package var linksLost: UInt64 = 0

    /// The newest events, oldest first.
    package var events: [TimedEvent] = []
    var eventsSeen: UInt64 = 0

    /// The steps that the disk has not confirmed, oldest first, with their moments (loop, ns).
    var persistsUnderWay: [(id: PersistID, began: UInt64)] = []
    var snapshotBegan: UInt64 = 0
    var lastLeader: ServerID?
    /// When something was last applied (loop clock, ns).
    var lastProgress: UInt64 = 0

    package init() {}
}

/// A node's numbers at one moment.
package struct NodeReading: Sendable {
    package var status: NodeStatus
    package var meters: NodeMeters
    /// Milliseconds that the oldest step has waited for the disk; 0 if none waits.
    package var diskWaitMilliseconds: UInt64
    /// Milliseconds since the last entry was applied, or since the start.
    package var idleMilliseconds: UInt64
    /// Milliseconds since a leader of the current term was heard: 0 on one that serves, nil before
    /// the first.
    package var leaderAgeMilliseconds: UInt64?
    /// The moment of the reading, on the loop's clock, as the events' moments.
    package var nanoseconds: UInt64
}

extension NodeMeters {
    mutating func persistBegan(_ persist: Persist, at nanoseconds: UInt64) {
        persistsUnderWay.append((persist.id, nanoseconds))
        if !persist.append.isEmpty { persistedEntries.record(UInt64(persist.append.count)) }
    }

    mutating func persistEnded(_ id: PersistID, at nanoseconds: UInt64) {
        var count = 0
        while count < persistsUnderWay.count, persistsUnderWay[count].id <= id {
            persists.record(nanoseconds &- persistsUnderWay[count].began)
            count += 1
        }
        persistsUnderWay.removeFirst(count)
    }

    mutating func snapshotEnded(bytes: Int, at nanoseconds: UInt64) {
        snapshotsTaken += 1
        snapshotBytes = UInt64(bytes)
        snapshots.record(nanoseconds &- snapshotBegan)
    }

    mutating func note(_ decision: Decision) {
        switch decision {
        case .startedElection: electionsStarted += 1
        case .becameLeader: electionsWon += 1
        case .steppedDown(_, .quorumLost): quorumLosses += 1
        case .installedSnapshot: snapshotsInstalled += 1
        // default: open set of decisions; the others are not counted.
        default: break
        }
    }
}

extension NodeMeters {
    /// Counts what an applied entry did.
    mutating func note(_ command: Command, _ outcomes: [Outcome]) {
        if case .renew(let some) = command { renewals &+= UInt64(some.count) }
        let isExpiry = if case .expire = command { true } else { false }
        for outcome in outcomes {
            if case .sessionEnded = outcome {
                sessionsEnded &+= 1
                if isExpiry { expiries &+= 1 }
            } else if case .answer(.sessionOpened) = outcome {
                sessionsOpened &+= 1
            }
        }
    }

    mutating func noteProposals(
        _ count: Int, refused: [ServerID: [RefusedProposals.Reason: [UInt64]]]
    ) {
        var refusals = 0
        for reasons in refused.values {
            for numbers in reasons.values { refusals += numbers.count }
        }
        proposals &+= UInt64(count - refusals)
        proposalsRefused &+= UInt64(refusals)
    }

    mutating func append(_ event: NodeEvent, at nanoseconds: UInt64) {
        if events.count >= Self.eventsKept { events.removeFirst(Self.eventsKept / 4) }
        eventsSeen &+= 1
        events.append(TimedEvent(number: eventsSeen, nanoseconds: nanoseconds, event: event))
    }

    private static let eventsKept = 256
}

/// What happened to a node that people want to see beside its latches.
package enum NodeEvent: Sendable, Equatable {
    /// Another term or another leader; nil is none.
    case leadership(role: Role, term: Term, leader: ServerID?)
    case linkUp(ServerID)
    case linkDown(ServerID)
    /// Through this index, with that many bytes.
    case snapshotTaken(LogIndex, bytes: Int)
    case snapshotInstalled(LogIndex, bytes: Int)
}

/// An event of this process.
package struct TimedEvent: Sendable, Equatable {
    /// Counts from 1.
    package let number: UInt64
    /// On the clock of the node's loop.
    package let nanoseconds: UInt64
    package let event: NodeEvent
}
