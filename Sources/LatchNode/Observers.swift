import LatchMachine
import NIOCore

/// Who watches which latch on this node.
///
/// A sink that asked for an index this node has not reached waits; then it is shown the latch at
/// once and after every change. Sinks of one latch and loop share one delivery.
struct Observers {
    /// The sinks of one latch on one loop that are shown every change.
    fileprivate struct Group {
        let loop: any EventLoop
        var sinks: [any ObserverSink] = []
        /// Where each sink is in `sinks`. Never iterated over.
        var places: [ObjectIdentifier: Int] = [:]
    }

    /// A sink that was not shown its latch yet.
    private struct Waiting {
        let minimumIndex: UInt64
        let name: PrimitiveName
        let sink: any ObserverSink
    }

    private var groups: [PrimitiveName: [Group]] = [:]
    /// Descending by minimum index, the earlier comer behind: the last one is next.
    private var waiting: [Waiting] = []
    /// Latches that changed in this turn.
    private var changed: [PrimitiveName] = []
    private var isEverythingChanged = false
    private var shown = 0

    var count: Int { shown + waiting.count }

    mutating func add(_ sink: any ObserverSink, to name: PrimitiveName, minimumIndex: UInt64) {
        remove(sink, from: name)
        let position = waiting.firstPosition { $0.minimumIndex <= minimumIndex }
        waiting.insert(
            Waiting(minimumIndex: minimumIndex, name: name, sink: sink), at: position)
    }

    mutating func remove(_ sink: any ObserverSink, from name: PrimitiveName) {
        let key = ObjectIdentifier(sink)
        for position in (groups[name] ?? []).indices {
            guard groups[name]?[position].remove(key) == true else { continue }
            shown -= 1
            if groups[name]?[position].sinks.isEmpty == true {
                groups[name]?.remove(at: position)
                if groups[name]?.isEmpty == true { groups[name] = nil }
            }
            return
        }
        waiting.removeAll { $0.sink === sink && $0.name == name }
    }

    /// An entry changed this latch.
    mutating func note(changeOf name: PrimitiveName) {
        if !isEverythingChanged, groups[name] != nil { changed.append(name) }
    }

    /// A snapshot replaced the machine.
    mutating func noteRestore() {
        isEverythingChanged = !groups.isEmpty
    }

    /// What is to be shown after a turn: each changed latch with the sinks that watch it, in order
    /// of name, then the latches of sinks whose index is reached, which are shown from now on.
    mutating func takeShows(
        lastApplied: UInt64
    ) -> [(name: PrimitiveName, loop: any EventLoop, sinks: [any ObserverSink])] {
        var shows: [(name: PrimitiveName, loop: any EventLoop, sinks: [any ObserverSink])] = []
        let names = isEverythingChanged ? Array(groups.keys) : changed
        changed.removeAll(keepingCapacity: true)
        isEverythingChanged = false
        var last: PrimitiveName?
        for name in names.count > 1 ? names.sorted() : names where name != last {
            last = name
            for group in groups[name] ?? [] { shows.append((name, group.loop, group.sinks)) }
        }
        while let next = waiting.last, next.minimumIndex <= lastApplied {
            waiting.removeLast()
            insert(next.sink, next.name)
            shows.append((next.name, next.sink.loop, [next.sink]))
        }
        return shows
    }

    private mutating func insert(_ sink: any ObserverSink, _ name: PrimitiveName) {
        shown += 1
        let position = (groups[name] ?? []).firstIndex { $0.loop === sink.loop }
        if let position {
            groups[name]?[position].append(sink)
        } else {
            var group = Group(loop: sink.loop)
            group.append(sink)
            groups[name, default: []].append(group)
        }
    }

    mutating func removeAll() -> [any ObserverSink] {
        let all =
            groups.keys.sorted().flatMap { groups[$0]?.flatMap(\.sinks) ?? [] }
            + waiting.reversed().map(\.sink)
        self = Observers()
        return all
    }
}

extension Observers.Group {
    fileprivate mutating func append(_ sink: any ObserverSink) {
        places[ObjectIdentifier(sink)] = sinks.count
        sinks.append(sink)
    }

    /// The last sink takes the place of the one that goes.
    fileprivate mutating func remove(_ key: ObjectIdentifier) -> Bool {
        guard let place = places.removeValue(forKey: key) else { return false }
        let moved = sinks.removeLast()
        if place < sinks.count {
            sinks[place] = moved
            places[ObjectIdentifier(moved)] = place
        }
        return true
    }
}

extension Array {
    /// The first position whose element satisfies `matches`, which holds for a suffix only.
    fileprivate func firstPosition(_ matches: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if matches(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
