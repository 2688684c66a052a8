/// The one clock and the one queue of a simulated world: what happens, in the order of its time;
/// what happens in one millisecond, in the order in which it was added.
final class VirtualTime {
    private var queue = EventQueue()

    /// Milliseconds since the world began.
    var now: UInt64 { queue.now }

    /// Runs `body` at `time`, or now if that is over.
    func at(_ time: UInt64, _ body: @escaping () -> Void) { queue.add(body, at: time) }

    /// Runs `body` after `delay` milliseconds.
    func after(_ delay: UInt64, _ body: @escaping () -> Void) {
        queue.add(body, at: queue.now + delay)
    }

    /// The next event, with `now` set to its time; nil when nothing will ever happen again.
    func next() -> (() -> Void)? { queue.next() }

    /// Forgets everything: closures hold the world that holds this.
    func removeAll() {
        // What goes with them may still look at the time: not while the queue is being changed.
        withExtendedLifetime(queue.takeAll()) {}
    }
}

/// One bucket for each millisecond: a run is short, and no comparison is ever made. A bucket is a
/// chain through one array, so it costs no memory of its own.
private struct EventQueue {
    private struct Event {
        var body: (() -> Void)?
        /// The event after it in the same millisecond; -1 for none.
        var next = -1
    }

    private struct Bucket {
        var first = -1
        var last = -1
    }

    private var buckets: [Bucket] = []
    private var events: [Event] = []
    /// Places in `events` that may be used again.
    private var free: [Int] = []
    private(set) var now: UInt64 = 0

    mutating func add(_ body: @escaping () -> Void, at time: UInt64) {
        let bucket = Int(max(time, now))
        while buckets.count <= bucket { buckets.append(Bucket()) }
        let place = add(Event(body: body))
        let last = buckets[bucket].last
        if last >= 0 { events[last].next = place } else { buckets[bucket].first = place }
        buckets[bucket].last = place
    }

    private mutating func add(_ event: Event) -> Int {
        guard let place = free.popLast() else {
            events.append(event)
            return events.count - 1
        }
        events[place] = event
        return place
    }

    mutating func next() -> (() -> Void)? {
        while now < UInt64(buckets.count) {
            let bucket = Int(now)
            let place = buckets[bucket].first
            if place >= 0 { return take(place, from: bucket) }
            now += 1
        }
        return nil
    }

    private mutating func take(_ place: Int, from bucket: Int) -> (() -> Void)? {
        let next = events[place].next
        buckets[bucket].first = next
        if next < 0 { buckets[bucket].last = -1 }
        free.append(place)
        return events[place].body.take()
    }

    mutating func takeAll() -> [() -> Void] {
        let bodies = events.compactMap(\.body)
        buckets = []
        events = []
        free = []
        return bodies
    }
}
