import LatchNode
import NIOCore
import PeerTransport
import RaftCore
import RaftStorage

/// One member of the cluster: its disk, which stays, and its processes, one after the other.
///
/// `@unchecked Sendable`: a simulation and all in it is used by one thread.
final class SimulatedProcess: @unchecked Sendable {
    let position: Int
    let id: ServerID
    var disk = SimulatedDisk()

    /// Grows with every start, so that what was meant for an earlier process is told apart.
    private(set) var life = 0
    /// Nil while no process runs.
    private(set) var node: LatchNode?
    /// The node's thread.
    private(set) var loop: VirtualLoop?
    /// The thread of its clients' connections, where replies leave.
    private(set) var edge: VirtualLoop?
    var links: SimulatedLinks?
    var store: SimulatedStore?

    var isStopped = false
    var isRetiring = false
    /// Told when the node has handed over what it led.
    var retirement: EventLoopPromise<Void>?
    /// It has stopped itself: whatever leaves it now breaks a promise.
    var isHalted = false
    var isSlow = false
    /// Of this life.
    var maximumPendingCalls = 0
    /// What is to happen at a disk operation to come; nil for nothing.
    var diskFault: DiskFault?
    var startedAt: UInt64 = 0
    var lastPersistID = PersistID(0)
    /// The last index whose apply was looked at.
    var seenApplied = LogIndex.zero
    /// A batch of frames was delivered and its end is on its way.
    var isBatchOpen = false
    var turns = 0
    /// When this process last got a Raft message of each other server, by position; 0 for never.
    var heard: [UInt64] = []
    /// Where this process's clients get their streams.
    var sinks: [AnswerSink] = []
    /// A snapshot replaces the machine in this turn.
    var isRestoring = false
    /// The index of the newest snapshot that this process installed; 0 for none.
    var restoredAt: UInt64 = 0
    /// How often it was stopped.
    private(set) var stops = 0
    /// When it last began to lead, or went on after a stop: what waited in its sockets meanwhile
    /// counts as heard then.
    var ledSince: UInt64 = 0
    /// The last term in which a process of this life led.
    var ledTerm = Term.zero
    var readRounds = ReadRounds()
    /// The newest ReadIndex round that a leader's message brought to this process, by term.
    var heardRounds: [Term: UInt64] = [:]
    var handedCalls = HandedCalls()

    struct DiskFault {
        /// The operation fails; otherwise the process dies just before or after it.
        let isFailure: Bool
        /// Operations until then.
        var operationsLeft: Int
    }

    init(position: Int, count: Int) {
        heard = Array(repeating: 0, count: count)
        self.position = position
        id = ServerID(UInt16(position + 1))
    }

    var isAlive: Bool { node != nil && !isHalted }
    var isRunning: Bool { isAlive && !isStopped }

    func begin(_ node: LatchNode, loop: VirtualLoop, edge: VirtualLoop, at now: UInt64) {
        self.node = node
        self.loop = loop
        self.edge = edge
        startedAt = now
    }

    func nextLife() {
        life += 1
        isStopped = false
        isRetiring = false
        isHalted = false
        isBatchOpen = false
        diskFault = nil
        lastPersistID = PersistID(0)
        for position in heard.indices { heard[position] = 0 }
        readRounds = ReadRounds()
        heardRounds = [:]
        handedCalls = HandedCalls()
        sinks = []
        isRestoring = false
        restoredAt = 0
    }

    /// kill -9: whatever ran for this process never runs again.
    func die() {
        let retirement = self.retirement
        self.retirement = nil
        defer { retirement?.succeed() }
        loop?.kill()
        edge?.kill()
        store?.kill()
        node = nil
        loop = nil
        edge = nil
        links = nil
        store = nil
        isStopped = false
        isHalted = false
    }

    func stop() {
        isStopped = true
        stops += 1
        loop?.stop()
        edge?.stop()
    }

    func resume() {
        guard isStopped else { return }
        isStopped = false
        loop?.resume()
        edge?.resume()
    }
}
