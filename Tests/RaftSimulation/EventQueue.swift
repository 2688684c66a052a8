import RaftCore

/// What happens at one moment of virtual time.
enum Event: Sendable {
    case deliver(Envelope)
    /// A client's call, or one that a follower passes on to its leader.
    case request(server: Int, ClientRequest, hops: Int)
    case answer(client: Int, ClientAnswer)
    case turn(server: Int, life: Int)
    case timer(server: Int, life: Int, number: Int)
    case disk(server: Int, life: Int)
    case snapshot(server: Int, life: Int, Snapshot)
    case upkeep(server: Int, life: Int)
    case evidence(server: Int, about: ServerID, isReachable: Bool)
    case restart(server: Int)
    case resume(server: Int)
    case client(Int)
    case nemesis
    /// A new leader dies, or is cut off, while its first entries are on their way.
    case ambush(server: Int, life: Int)
    case healNetwork(epoch: Int)
    case endFaults
    case judge
}

/// Events in the order of their time; those of one moment in the order in which they were added.
///
/// One bucket for each millisecond: a run is short, and no comparison is ever made.
struct EventQueue: Sendable {
    private var buckets: [[Event]] = []
    private var now = 0
    /// The next event of the current bucket.
    private var position = 0

    mutating func add(_ event: Event, at time: UInt64) {
        let bucket = max(Int(time), now)
        while buckets.count <= bucket { buckets.append([]) }
        buckets[bucket].append(event)
    }

    mutating func removeFirst() -> (time: UInt64, event: Event)? {
        while now < buckets.count {
            if position < buckets[now].count {
                position += 1
                return (UInt64(now), buckets[now][position - 1])
            }
            buckets[now] = []
            position = 0
            now += 1
        }
        return nil
    }
}
