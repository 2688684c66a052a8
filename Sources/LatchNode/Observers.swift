import HeapModule
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

    private var groups: [PrimitiveName: [Group]] = [:]
    /// The sinks that were not shown their latch yet.
    private var waiting = WaitingSinks()
    /// Latches that changed in this turn.
    private var changed: [PrimitiveName] = []
    private var isEverythingChanged = false
    private var shown = 0

    var count: Int { shown + waiting.count }
    /// What is kept in memory for those who wait; bounded by their number.
    var waitingPlaces: Int { waiting.places.count }

    mutating func add(_ sink: any ObserverSink, to name: PrimitiveName, minimumIndex: UInt64) {
        remove(sink, from: name)
        waiting.add(sink, name, minimumIndex: minimumIndex)
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
        waiting.remove(sink, name)
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
        while let (name, sink) = waiting.takeNext(upTo: lastApplied) {
            insert(sink, name)
            shows.append((name, sink.loop, [sink]))
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
            + waiting.sinks
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

/// The sinks whose index is not reached, in the order in which they are to be shown: by index, then
/// as they came.
///
/// Whoever goes is not searched for: its place stays, and is passed over when its turn comes.
/// Places of nobody are swept once they are the most, so adding and removing cost O(log n).
private struct WaitingSinks {
    struct Place: Comparable {
        let minimumIndex: UInt64
        /// Which comer it was.
        let number: UInt64

        static func < (left: Self, right: Self) -> Bool {
            (left.minimumIndex, left.number) < (right.minimumIndex, right.number)
        }
    }

    private struct Key: Hashable {
        let sink: ObjectIdentifier
        let name: PrimitiveName

        init(_ sink: any ObserverSink, _ name: PrimitiveName) {
            self.sink = ObjectIdentifier(sink)
            self.name = name
        }
    }

    private(set) var places = Heap<Place>()
    /// Who waits, by number. Never iterated over.
    private var waiting: [UInt64: (name: PrimitiveName, sink: any ObserverSink)] = [:]
    /// Never iterated over.
    private var numbers: [Key: UInt64] = [:]
    private var lastNumber: UInt64 = 0

    var count: Int { waiting.count }

    /// Everybody who waits, the next one first.
    var sinks: [any ObserverSink] {
        places.unordered.sorted().compactMap { waiting[$0.number]?.sink }
    }

    /// Adds a sink that does not wait for this latch.
    mutating func add(_ sink: any ObserverSink, _ name: PrimitiveName, minimumIndex: UInt64) {
        lastNumber += 1
        numbers[Key(sink, name)] = lastNumber
        waiting[lastNumber] = (name, sink)
        places.insert(Place(minimumIndex: minimumIndex, number: lastNumber))
    }

    mutating func remove(_ sink: any ObserverSink, _ name: PrimitiveName) {
        guard let number = numbers.removeValue(forKey: Key(sink, name)) else { return }
        waiting[number] = nil
        guard places.count > 2 * waiting.count + 64 else { return }
        places = Heap(places.unordered.filter { waiting[$0.number] != nil })
    }

    /// Takes the next one whose index is reached.
    mutating func takeNext(
        upTo index: UInt64
    ) -> (name: PrimitiveName, sink: any ObserverSink)? {
        while let first = places.min, first.minimumIndex <= index {
            places.removeMin()
            guard let next = waiting.removeValue(forKey: first.number) else { continue }
            numbers[Key(next.sink, next.name)] = nil
            return next
        }
        return nil
    }
}
