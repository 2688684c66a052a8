import NIOCore

/// The connections of one event loop: one timer for all of them, and their drain.
final class ConnectionShard: @unchecked Sendable {
    let loop: any EventLoop
    private let shared: EdgeShared
    private var members: [ObjectIdentifier: Connection] = [:]
    private var clock: RepeatedTask?
    private var emptied: EventLoopPromise<Void>?
    /// One for each method; on `loop` only.
    var meters: [MethodMeter]

    init(loop: any EventLoop, shared: EdgeShared) {
        self.loop = loop
        self.shared = shared
        meters = Array(repeating: MethodMeter(), count: shared.methods.methods.count)
    }

    func insert(_ connection: Connection) {
        members[ObjectIdentifier(connection)] = connection
        guard emptied == nil else { return connection.close() }
        startClock()
    }

    func remove(_ connection: Connection) {
        members[ObjectIdentifier(connection)] = nil
        guard members.isEmpty else { return }
        clock?.cancel()
        clock = nil
        emptied?.succeed()
    }

    /// Drains all connections; succeeds when the last one is closed, at the latest soon after
    /// `timeout`, when those still open are cut.
    func drain(timeout: TimeAmount) -> EventLoopFuture<Void> {
        loop.flatSubmit {
            if let emptied = self.emptied { return emptied.futureResult }
            let promise = self.loop.makePromise(of: Void.self)
            self.emptied = promise
            if self.members.isEmpty { promise.succeed() }
            for connection in self.members.values { connection.drain() }
            let cut = self.loop.scheduleTask(in: timeout) { self.cut() }
            promise.futureResult.whenComplete { _ in cut.cancel() }
            return promise.futureResult
        }
    }

    private func cut() {
        let connections = Array(members.values)
        let openCalls = connections.reduce(0) { $0 + $1.openCalls }
        if openCalls > 0 { shared.events.report(.drainCut(openCalls: openCalls)) }
        for connection in connections { connection.cut() }
        // A peer that does not take its last bytes is not waited for.
        loop.scheduleTask(in: .milliseconds(250)) {
            for connection in Array(self.members.values) { connection.close() }
        }
    }

    private func startClock() {
        guard clock == nil else { return }
        let interval = TimeAmount.milliseconds(Int64(Liveness.sweepMilliseconds(shared.settings)))
        clock = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            for connection in Array(self.members.values) { connection.sweep() }
        }
    }
}
