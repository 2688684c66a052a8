import ArgumentParser
import ClusterHarness
import Foundation
import LatchAPI

/// Load that a constant request cannot make: many sessions that keep alive, many latches.
///
/// Prints one line of JSON when the load stands, another at its end; `bench.py` measures the
/// servers in between.
@main
struct LatchLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Opens sessions on latches of their own and keeps them alive.",
        discussion: """
            Example:
              LatchLoad --endpoints 127.0.0.1:7401,127.0.0.1:7402 --sessions 10000 --seconds 20
            """)

    @Option(help: "Client addresses; the sessions are spread over them.")
    var endpoints: String

    @Option(help: "Sessions, each on a latch of its own.")
    var sessions = 10_000

    @Option(help: "The sessions' timeout, in milliseconds; they keep alive at a third of it.")
    var timeout = 10_000

    @Option(help: "How long to keep them alive; 0 leaves them as soon as they are open.")
    var seconds = 20

    @Flag(help: "Join the latch too, so that each has a holder.")
    var join = false

    func run() async throws {
        let nodes = endpoints.split(separator: ",").map(String.init)
        let share = sessions / nodes.count
        try await withThrowingTaskGroup(of: (failed: Int, renewed: Int).self) { group in
            for (position, node) in nodes.enumerated() {
                group.addTask {
                    try await NodeConnection.with(endpoint: node) { connection in
                        try await load(connection, first: position * share, count: share)
                    }
                }
            }
            var (failed, renewed) = (0, 0)
            for try await result in group {
                failed += result.failed
                renewed += result.renewed
            }
            print("{\"failed\": \(failed), \"renewed\": \(renewed)}")
        }
    }

    /// Opens a node's share a few dozen at a time, then renews each once per third of its timeout.
    private func load(
        _ connection: NodeConnection, first: Int, count: Int
    ) async throws -> (failed: Int, renewed: Int) {
        let callers = (first..<first + count).map {
            LatchCaller(connection, name: "load-\($0)", namespace: "load")
        }
        let lanes = 64
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    for position in stride(from: lane, to: callers.count, by: lanes) {
                        try await callers[position].create(timeout: timeout)
                        if join { try await callers[position].latch("holder") }
                    }
                }
            }
            try await group.waitForAll()
        }
        print("{\"open\": \(count)}")
        fflush(nil)
        let end = ContinuousClock.now + .seconds(seconds)
        return try await withThrowingTaskGroup(of: (failed: Int, renewed: Int).self) { group in
            for lane in 0..<lanes {
                group.addTask {
                    try await keepAlive(
                        stride(from: lane, to: callers.count, by: lanes).map { callers[$0] },
                        until: end)
                }
            }
            var (failed, renewed) = (0, 0)
            for try await result in group {
                failed += result.failed
                renewed += result.renewed
            }
            return (failed, renewed)
        }
    }

    private func keepAlive(
        _ callers: [LatchCaller], until end: ContinuousClock.Instant
    ) async throws -> (failed: Int, renewed: Int) {
        guard !callers.isEmpty else { return (0, 0) }
        var (failed, renewed) = (0, 0)
        let step = Duration.milliseconds(timeout) / 3 / callers.count
        var next = ContinuousClock.now
        while next < end {
            for caller in callers where next < end {
                let response = try await caller.keepAlive()
                renewed += 1
                if response.header.status != .ok { failed += 1 }
                next += step
                try await Task.sleep(until: next, clock: .continuous)
            }
        }
        return (failed, renewed)
    }
}
