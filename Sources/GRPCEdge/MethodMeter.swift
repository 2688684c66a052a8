import NIOCore

/// The calls of one method on one event loop: plain numbers that the loop adds to.
package struct MethodMeter: Sendable {
    /// The buckets' upper bounds of `durations`, in nanoseconds.
    package static let bounds: [UInt64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000,
        50_000_000, 100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000,
        5_000_000_000,
    ]

    /// Calls that are open.
    package var open = 0
    /// Calls that ended, by the number of their status.
    package private(set) var ended = [UInt64](repeating: 0, count: 17)
    /// How many calls lasted how long, from their headers to their status; one bucket more than
    /// `bounds`, for what is beyond.
    package private(set) var durations = [UInt64](repeating: 0, count: bounds.count + 1)
    /// All durations together, in nanoseconds.
    package private(set) var nanoseconds: UInt64 = 0

    package init() {}

    mutating func note(_ code: GRPCStatusCode, after nanoseconds: UInt64) {
        open &-= 1
        ended[code.rawValue] &+= 1
        var bucket = 0
        while bucket < Self.bounds.count, nanoseconds > Self.bounds[bucket] { bucket &+= 1 }
        durations[bucket] &+= 1
        self.nanoseconds &+= nanoseconds
    }

    /// Adds what another loop has counted.
    mutating func add(_ other: MethodMeter) {
        open &+= other.open
        for code in ended.indices { ended[code] &+= other.ended[code] }
        for bucket in durations.indices { durations[bucket] &+= other.durations[bucket] }
        nanoseconds &+= other.nanoseconds
    }
}

extension GRPCServer {
    /// What was counted of each method, in the order of their registration; waits for the loops.
    package func readMeters() async throws -> [(method: Method, meter: MethodMeter)] {
        var sums = [MethodMeter](repeating: MethodMeter(), count: shared.methods.methods.count)
        for shard in shards.values {
            let meters = try await shard.loop.submit { shard.meters }.get()
            for (position, meter) in meters.enumerated() { sums[position].add(meter) }
        }
        return zip(shared.methods.methods, sums).map { (method: $0, meter: $1) }
    }
}

extension Call {
    /// Counts the call in.
    func noteBegan(_ connection: Connection, method index: Int) {
        methodIndex = index
        began = loop.now
        connection.shard.meters[index].open &+= 1
    }

    /// Counts the end of the call, once.
    func noteEnded(_ connection: Connection?, _ code: GRPCStatusCode) {
        guard let connection, let index = methodIndex else { return }
        methodIndex = nil
        let duration = (loop.now - began).nanoseconds.magnitude
        connection.shard.meters[index].note(code, after: duration)
    }
}
