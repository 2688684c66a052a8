import LatchMachine
import RaftCore

/// One server: its Raft value, its machine, its disk, and what a host keeps around them.
struct SimulatedServer: Sendable {
    /// What waits for the next turn of the server's loop.
    enum Work: Sendable {
        case input(Input)
        case request(ClientRequest, hops: Int)
    }

    let id: ServerID
    /// Nil while the process is dead.
    var raft: Raft?
    var machine: LatchMachine
    var disk = SimulatedDisk()
    var clock = LogClock()
    var inbox: [Work] = []
    /// Messages that wait for a ``Persist`` to be durable.
    var held: [(id: PersistID, envelopes: [Envelope])] = []
    var lastPersistID = PersistID(0)
    /// Grows with each crash: what an earlier life scheduled is void.
    var life = 0
    var timerNumber = 0
    /// When the pending timer event comes.
    var timerAt: UInt64?
    var isTurnScheduled = false
    var isDiskBusy = false
    var isPaused = false
    var isSlow = false
    var isEncodingSnapshot = false
    var lastAppliedTerm = Term.zero
    var lastSnapshotIndex: UInt64 = 0
    /// Reads that the core has not answered, each with the lowest index it may be granted at (I18).
    var openReads: [(id: ReadID, leastIndex: LogIndex)] = []
    var servedTerm = Term.zero
    var nextNumber: UInt64 = 0

    init(id: ServerID, limits: Limits) {
        self.id = id
        machine = LatchMachine(limits: limits)
    }

    var isRunning: Bool { raft != nil && !isPaused }

    /// The process is gone, and with it everything but the disk.
    mutating func die() {
        raft = nil
        inbox = []
        held = []
        life += 1
        timerAt = nil
        isTurnScheduled = false
        isDiskBusy = false
        isPaused = false
        isEncodingSnapshot = false
        openReads = []
        clock = LogClock()
        servedTerm = .zero
    }
}
