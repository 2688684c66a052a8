import LatchMachine
import LatchNode
import Logging
import NIOCore
import PeerTransport
package import RaftCore

/// A whole cluster of production nodes in virtual time: one seed decides everything that happens.
///
/// First faults, while the observers check safety after every turn; then all faults end, and the
/// cluster must make progress within a bounded time (I20).
///
/// `@unchecked Sendable`: a simulation and all in it is used by one thread.
package final class Simulation: @unchecked Sendable {
    package let seed: UInt64
    package let options: SwarmOptions
    package var trace: Trace
    package internal(set) var marks = Marks()

    var generator: SeededGenerator
    let time = VirtualTime()
    var network: SimulatedNetwork
    var processes: [SimulatedProcess] = []
    var clients: [SimulatedClient] = []
    var watchers: [SimulatedObserver] = []
    var observer: RaftObserver
    var truth: Truth
    let logger: Logger
    private lazy var turnRelay = TurnRelay(self)
    var judgement = Judgement()
    /// Messages that are kept back.
    var hold = Hold()
    /// Until then a server is cut off, and other faults of the network wait; or all faults do.
    var isolationEnd: UInt64 = 0
    var calmEnd: UInt64 = 0
    var isStrandAwaited = false
    var areFaultsOver = false
    var areClientsStopped = false
    package internal(set) var history = History()
    /// The first invariant that broke; nothing happens after it.
    private(set) var violation: Violation?

    /// More events than this means that the cluster runs in circles. Where every server tells every
    /// other one a digest after each entry, most events are those.
    private var eventLimit: Int {
        let usual = max(600_000, 25_000 * processes.count * processes.count)
        return usual * Int(1 + options.faultMilliseconds / 2_500)
    }

    package convenience init(
        seed: UInt64, mode: Trace.Mode = .hashOnly, mask: SwarmMask = SwarmMask()
    ) {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x5EED)
        var options = SwarmOptions(drawnFrom: &generator)
        options.apply(mask)
        self.init(seed: seed, options: options, generator: generator, mode: mode)
    }

    package init(
        seed: UInt64, options: SwarmOptions, generator: SeededGenerator, mode: Trace.Mode
    ) {
        self.seed = seed
        self.options = options
        self.generator = generator
        trace = Trace(mode: mode)
        network = SimulatedNetwork(count: options.serverCount, options: options.network)
        observer = RaftObserver(count: options.serverCount)
        truth = Truth(limits: options.limits)
        logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        let count = options.serverCount
        processes = (0..<count).map { SimulatedProcess(position: $0, count: count) }
    }

    var now: UInt64 { time.now }

    /// Runs to the end. Afterwards `trace` and `marks` tell what happened.
    package func run() throws(Violation) {
        defer { dismantle() }
        trace.note("seed \(seed): \(options.serverCount) servers, \(options.settings)")
        for process in processes { start(process) }
        clients = (0..<options.clients.count).map { SimulatedClient(self, number: $0) }
        for client in clients { client.schedule() }
        watchers = (0..<options.clients.observers).map {
            SimulatedObserver(self, of: SimulatedClient.names[$0])
        }
        for watcher in watchers { watcher.schedule() }
        scheduleNemesis()
        time.at(options.faultMilliseconds) { [self] in endFaults() }
        tickLinks()
        while violation == nil, !judgement.isDone, let event = time.next() {
            marks.events += 1
            if marks.events > eventLimit {
                fail(Violation("I19 bounds", "the cluster runs in circles"))
            }
            trace.now = time.now
            event()
        }
        marks.commits = Int(observer.commitIndex.rawValue)
        if truth.latches.repeatedAnswerCount > 0 { mark(.repeatedAnswer) }
        marks.operations = history.operations.count
        if let violation { throw violation }
        try history.check()
        // A leader's clock may be 5 % fast.
        let longest = options.clients.sessionTimeoutMilliseconds.upperBound
        try history.checkLinearizability(
            tolerance: options.areClocksDrifting ? longest / 20 + 1 : 0, &marks)
    }

    /// Breaks the cycles between the world and what waits in it.
    private func dismantle() {
        for process in processes {
            process.die()
            process.sinks = []
        }
        time.removeAll()
        turnRelay.end()
        clients = []
        watchers = []
    }

    func mark(_ mark: Mark) { marks.note(mark) }

    func fail(_ violation: Violation) {
        if self.violation == nil { self.violation = violation }
    }

    /// Runs a check; the first that does not hold ends the run.
    func check(_ body: () throws(Violation) -> Void) {
        guard violation == nil else { return }
        do { try body() } catch { fail(error) }
    }

    // MARK: Processes

    /// Starts a process from what its disk holds.
    func start(_ process: SimulatedProcess) {
        guard process.node == nil else { return }
        process.nextLife()
        process.maximumPendingCalls = areFaultsOver ? 1_000 : options.maximumPendingCalls
        let state = process.disk.image
        let seed = generator.next()
        let clock = VirtualLoop.Clock(
            offsetNanoseconds: 1_000_000 * generator.draw(from: 1_000...1_000_000),
            permille: options.areClocksDrifting ? generator.draw(from: 950...1_050) : 1_000)
        if options.areClocksDrifting { mark(.driftingClocks) }
        let loop = VirtualLoop(time: time, clock: clock) { [unowned self] in turnDelay() }
        let edge = VirtualLoop(time: time, clock: clock) { [unowned self] in turnDelay() }
        let store = SimulatedStore(self, process)
        process.store = store
        do {
            let node = try LatchNode(
                settings: settings(of: process), disk: store, recovered: state, loop: loop,
                seed: seed, logger: logger,
                encodeSnapshot: { [self] work in
                    time.after(generator.draw(from: 0...30)) { edge.run(work) }
                },
                onHalt: { [self] reason in noteHalt(of: process, reason) },
                links: { onEvent in
                    let links = SimulatedLinks(self, process, onEvent)
                    process.links = links
                    return links
                })
            node.turnObserver = turnRelay
            process.begin(node, loop: loop, edge: edge, at: now)
            noteStart(of: process, node)
            node.startOnLoop()
        } catch {
            fail(Violation("restart", "\(process.id) does not start: \(error)"))
        }
    }

    private func settings(of process: SimulatedProcess) -> NodeSettings {
        var settings = NodeSettings(
            server: process.id,
            members: processes.map {
                Member(id: $0.id, peerHost: "", peerPort: 0, clientHost: "", clientPort: 0)
            })
        settings.raft = options.settings
        settings.limits = options.limits
        settings.graceMilliseconds = options.graceMilliseconds
        settings.requestTimeoutMilliseconds = options.requestTimeoutMilliseconds
        settings.gapTimeoutMilliseconds = options.gapTimeoutMilliseconds
        settings.renewalDelayMilliseconds = options.renewalDelayMilliseconds
        settings.maximumPendingCalls = process.maximumPendingCalls
        settings.maximumSubscribers = options.maximumSubscribers
        settings.snapshotEveryEntries = options.snapshotEveryEntries
        settings.digestEveryEntries = options.digestEveryEntries
        settings.wallClock = { [unowned self] in now + 1_700_000_000_000 }
        return settings
    }

    private func turnDelay() -> UInt64 {
        generator.draw(from: areFaultsOver ? 0...1 : options.turnDelayMilliseconds)
    }

    /// The node has stopped itself. The process ends; nothing may leave it before that.
    private func noteHalt(of process: SimulatedProcess, _ reason: LatchNode.HaltReason) {
        process.isHalted = true
        switch reason {
        case .storage:
            check { () throws(Violation) in
                try require(
                    process.store?.hasFailed == true, "D1 disk",
                    "\(process.id) halts for its disk, which is well")
            }
        case .invariant(let text):
            fail(Violation("I8 node halted", "\(process.id): \(text)"))
        }
        // A write that failed may be on the disk all the same (B26).
        time.after(generator.draw(from: 0...5)) { [self] in
            if process.isHalted { crash(process, survivors: nil) }
        }
    }
}
