import FaultyDisk
import RaftCore
import SeededRandom

/// What a disk should hold after some steps: the plainest reading of ``Persist``, one after
/// another.
struct Model {
    var state = PersistentState()
    private var nextID: UInt64 = 1

    mutating func apply(_ persist: Persist) {
        state.apply(persist)
    }

    var snapshotIndex: UInt64 { state.snapshotIndex }
    var lastIndex: UInt64 { state.lastIndex }

    /// A random step that a correct server could ask for; applied to this model as well.
    mutating func randomStep(using random: inout SplitMix) -> Persist {
        var step = Persist(id: PersistID(nextID))
        nextID += 1
        if random.next(below: 4) == 0 {
            let term = Term(state.currentTerm.rawValue + 1)
            let server =
                random.next(below: 3) == 0 ? nil : ServerID(UInt16(random.next(below: 3)) + 1)
            step.vote = Persist.Vote(currentTerm: term, votedFor: server)
        }
        let term = step.vote?.currentTerm ?? state.currentTerm
        switch random.next(below: 10) {
        case 0: addInstalledSnapshot(to: &step, term: term, using: &random)
        case 1, 2: addOwnSnapshot(to: &step, using: &random)
        case 3, 4: addTruncation(to: &step, term: term, using: &random)
        case 5: break
        default: addEntries(to: &step, from: lastIndex + 1, term: term, using: &random)
        }
        apply(step)
        return step
    }

    private func addEntries(
        to step: inout Persist, from first: UInt64, term: Term, using random: inout SplitMix
    ) {
        let count = random.next(below: 6)
        for offset in 0..<count {
            let size = random.next(below: 20) == 0 ? 3_000 : random.next(below: 60)
            let payload = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            step.append.append(
                Entry(index: LogIndex(first + offset), term: term, payload: payload))
        }
    }

    private func addTruncation(
        to step: inout Persist, term: Term, using random: inout SplitMix
    ) {
        let first = snapshotIndex + 1
        let from = first + random.next(below: lastIndex - snapshotIndex + 2)
        step.truncateFrom = LogIndex(from)
        addEntries(to: &step, from: min(from, lastIndex + 1), term: term, using: &random)
    }

    private func addOwnSnapshot(to step: inout Persist, using random: inout SplitMix) {
        let candidates = state.entries.filter { $0.index.rawValue > snapshotIndex }
        guard !candidates.isEmpty else { return }
        let last = candidates[Int(random.next(below: UInt64(candidates.count)))]
        step.snapshot = RaftStorageTests.snapshot(
            last.index.rawValue, term: last.term.rawValue, bytes: Int(random.next(below: 9_000)))
        guard random.next(below: 2) == 0 else { return }
        let kept = min(random.next(below: 5), last.index.rawValue - 1)
        step.purgeThrough = LogIndex(last.index.rawValue - kept)
    }

    private func addInstalledSnapshot(
        to step: inout Persist, term: Term, using random: inout SplitMix
    ) {
        let index = lastIndex + 1 + random.next(below: 20)
        step.snapshot = RaftStorageTests.snapshot(
            index, term: term.rawValue, bytes: Int(random.next(below: 9_000)))
        step.resetsLog = true
        addEntries(to: &step, from: index + 1, term: term, using: &random)
    }
}
