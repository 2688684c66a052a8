import FaultyDisk
import RaftCore

/// Steps that a correct server could ask for, and the state that each of them leaves.
struct Workload {
    private(set) var state: PersistentState
    private var lastID: UInt64 = 0

    init(from state: PersistentState) { self.state = state }

    private var snapshotIndex: UInt64 { state.snapshotIndex }
    private var lastIndex: UInt64 { state.lastIndex }
    private var term: UInt64 { state.currentTerm.rawValue }

    /// Adds one step: its fields take effect from top to bottom.
    mutating func step(_ change: (inout Persist) -> Void) -> Persist {
        lastID += 1
        var step = Persist(id: PersistID(lastID))
        change(&step)
        state.apply(step)
        return step
    }

    // MARK: One kind of step each

    mutating func vote(for server: UInt16?) -> Persist {
        let vote = Persist.Vote(
            currentTerm: Term(term + 1), votedFor: server.map { ServerID($0) })
        return step { $0.vote = vote }
    }

    mutating func append(_ count: Int, bytes: Int, random: inout SeededGenerator) -> Persist {
        let entries = entries(count, from: lastIndex + 1, bytes: bytes, random: &random)
        return step { $0.append = entries }
    }

    /// Replaces the last entries, as a follower of a new leader does (§5.3). One that learns of
    /// that leader by it stores the new term in the same step.
    mutating func replace(_ count: Int, bytes: Int, random: inout SeededGenerator) -> Persist {
        let from = max(lastIndex + 1 - min(lastIndex, UInt64(count)), snapshotIndex + 1)
        let first = min(from, lastIndex + 1)
        let vote =
            random.chance(1, in: 2)
            ? Persist.Vote(currentTerm: Term(term + 1), votedFor: nil) : nil
        let entries = entries(
            random.next(below: count + 2), from: first, of: vote?.currentTerm, bytes: bytes,
            random: &random)
        return step {
            $0.vote = vote
            $0.truncateFrom = LogIndex(first)
            $0.append = entries
        }
    }

    /// A snapshot of our own machine, which keeps `kept` entries for slow followers.
    mutating func snapshot(bytes: Int, kept: Int, random: inout SeededGenerator) -> Persist {
        let covered = state.entries.filter { $0.index.rawValue > snapshotIndex }
        guard !covered.isEmpty else { return append(1, bytes: 20, random: &random) }
        let last = covered[random.next(below: covered.count)]
        let data = random.bytes(bytes)
        return step {
            $0.snapshot = Snapshot(
                lastIncludedIndex: last.index, lastIncludedTerm: last.term, data: data)
            if last.index.rawValue > UInt64(kept) {
                $0.purgeThrough = LogIndex(last.index.rawValue - UInt64(kept))
            }
        }
    }

    /// A leader's snapshot, which replaces the whole log (§7).
    mutating func install(bytes: Int, random: inout SeededGenerator) -> Persist {
        let index = lastIndex + 1 + UInt64(random.next(below: 20))
        let entries = entries(random.next(below: 3), from: index + 1, bytes: 30, random: &random)
        let data = random.bytes(bytes)
        let term = state.currentTerm
        return step {
            $0.snapshot = Snapshot(
                lastIncludedIndex: LogIndex(index), lastIncludedTerm: term, data: data)
            $0.resetsLog = true
            $0.append = entries
        }
    }

    mutating func anything(using random: inout SeededGenerator) -> Persist {
        if term == 0 { return vote(for: 1) }
        let bytes = random.chance(1, in: 8) ? 3_000 : random.next(below: 60)
        switch random.next(below: 10) {
        case 0: return vote(for: random.chance(1, in: 3) ? nil : UInt16(random.next(below: 3)) + 1)
        case 1: return install(bytes: random.next(below: 6_000), random: &random)
        case 2, 3:
            return snapshot(
                bytes: random.next(below: 6_000), kept: random.next(below: 4), random: &random)
        case 4, 5: return replace(random.next(below: 4), bytes: bytes, random: &random)
        case 6: return step { _ in }  // Only holds promises back.
        default:  // default: open set (numbers)
            return append(random.next(below: 6), bytes: bytes, random: &random)
        }
    }

    private func entries(
        _ count: Int, from first: UInt64, of newTerm: Term? = nil, bytes: Int,
        random: inout SeededGenerator
    ) -> [Entry] {
        (0..<UInt64(count)).map { offset in
            Entry(
                index: LogIndex(first + offset), term: newTerm ?? state.currentTerm,
                payload: random.bytes(bytes))
        }
    }
}
