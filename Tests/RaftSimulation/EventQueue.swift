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
    case healNetwork(epoch: Int)
    case endFaults
    case judge
}

/// Events in the order of their time; those of one moment in the order in which they were added.
struct EventQueue: Sendable {
    private struct Item: Sendable {
        let time: UInt64
        let sequence: UInt64
        let event: Event

        func precedes(_ other: Item) -> Bool {
            time == other.time ? sequence < other.sequence : time < other.time
        }
    }

    /// A binary heap.
    private var items: [Item] = []
    private var sequence: UInt64 = 0

    mutating func add(_ event: Event, at time: UInt64) {
        sequence += 1
        items.append(Item(time: time, sequence: sequence, event: event))
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard items[child].precedes(items[parent]) else { return }
            items.swapAt(child, parent)
            child = parent
        }
    }

    mutating func removeFirst() -> (time: UInt64, event: Event)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            sink()
        }
        return (first.time, first.event)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < items.count else { return }
            var least = left
            if left + 1 < items.count, items[left + 1].precedes(items[left]) { least = left + 1 }
            guard items[least].precedes(items[parent]) else { return }
            items.swapAt(least, parent)
            parent = least
        }
    }
}
