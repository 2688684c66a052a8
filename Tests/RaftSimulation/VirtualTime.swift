/// The one clock and the one queue of a simulated world: what happens, in the order of its time;
/// what happens in one millisecond, in the order in which it was added.
///
/// One bucket for each millisecond: a run is short, and no comparison is ever made.
final class VirtualTime {
    private var buckets: [[() -> Void]] = []
    /// Milliseconds since the world began.
    private(set) var now: UInt64 = 0
    /// The next event of the current bucket.
    private var position = 0

    /// Runs `body` at `time`, or now if that is over.
    func at(_ time: UInt64, _ body: @escaping () -> Void) {
        let bucket = Int(max(time, now))
        while buckets.count <= bucket { buckets.append([]) }
        buckets[bucket].append(body)
    }

    /// Runs `body` after `delay` milliseconds.
    func after(_ delay: UInt64, _ body: @escaping () -> Void) {
        at(now + delay, body)
    }

    /// The next event, with `now` set to its time; nil when nothing will ever happen again.
    func next() -> (() -> Void)? {
        while now < UInt64(buckets.count) {
            let bucket = Int(now)
            if position < buckets[bucket].count {
                position += 1
                return buckets[bucket][position - 1]
            }
            buckets[bucket] = []
            position = 0
            now += 1
        }
        return nil
    }

    /// Forgets everything: closures hold the world that holds this.
    func removeAll() { buckets = [] }
}
