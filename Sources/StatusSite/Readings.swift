import LatchNode
import NIOCore

/// Everything that is known of this node at one moment.
struct Reading: Sendable {
    /// Nil if the node's loop did not answer in time.
    var node: NodeReading?
    var terms: TermMeter.Reading
    var edge: EdgeReading?
    var process: ProcessReading
    /// When the site was made, in milliseconds since 1970. As good as the process's start, which
    /// Linux tells only by way of a file that a confined process may not see.
    var startMilliseconds: UInt64
    /// Milliseconds since 1970.
    var wallMilliseconds: UInt64
}

/// Reads the node, a few times a second at most however many ask: all who ask within
/// a fifth of a second get the same reading.
actor Readings {
    private static let freshness = Duration.milliseconds(200)

    private let node: LatchNode
    private let terms: TermMeter
    private let edge: @Sendable () async -> EdgeReading?
    private let bound: TimeAmount
    private let startMilliseconds: UInt64
    private var newest: (reading: Reading, at: ContinuousClock.Instant)?
    private var underWay: Task<Reading, Never>?

    init(
        node: LatchNode, terms: TermMeter, settings: SiteSettings,
        edge: @escaping @Sendable () async -> EdgeReading?
    ) {
        self.node = node
        self.terms = terms
        self.edge = edge
        bound = .milliseconds(settings.livenessBoundMilliseconds)
        startMilliseconds = node.settings.wallClock()
    }

    /// A reading that is not older than a moment.
    func current() async -> Reading {
        if let newest, newest.at.duration(to: .now) < Self.freshness { return newest.reading }
        if let underWay { return await underWay.value }
        let task = Task { await take() }
        underWay = task
        let reading = await task.value
        underWay = nil
        newest = (reading, .now)
        return reading
    }

    private nonisolated func take() async -> Reading {
        let (node, terms, bound) = (node, terms, bound)
        let read = await Self.within(bound) {
            let reading = try await node.read()
            let numbers = try await terms.read(on: node.loop)
            return (node: reading, terms: numbers)
        }
        let edge = await edge()
        return Reading(
            node: read?.node, terms: read?.terms ?? TermMeter.Reading(), edge: edge,
            process: ProcessReading(), startMilliseconds: startMilliseconds,
            wallMilliseconds: node.settings.wallClock())
    }

    /// What `work` gives, or nil once `bound` has passed. A loop that hangs keeps its task, one for
    /// each reading: nothing else waits for it.
    static func within<Value: Sendable>(
        _ bound: TimeAmount,
        _ work: @escaping @Sendable () async throws -> Value
    ) async -> Value? {
        await withCheckedContinuation { continuation in
            let once = Once(continuation)
            let timeout = Task {
                try await Task.sleep(nanoseconds: UInt64(max(bound.nanoseconds, 0)))
                once.resume(with: nil)
            }
            Task {
                once.resume(with: try? await work())
                timeout.cancel()
            }
        }
    }
}
