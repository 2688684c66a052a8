import LatchNode
import RaftCore
import RaftStorage

/// A node's disk in virtual time: a queue of writes, made durable some at a time.
final class SimulatedStore: NodeDisk, @unchecked Sendable {
    private let simulation: Simulation
    private let process: SimulatedProcess
    private var onPersisted: (@Sendable (PersistID) -> Void)?
    private var onFailure: (@Sendable (StorageFailure) -> Void)?
    private var isBusy = false
    private var isDead = false
    private(set) var hasFailed = false

    init(_ simulation: Simulation, _ process: SimulatedProcess) {
        self.simulation = simulation
        self.process = process
    }

    func start(
        onPersisted: @escaping @Sendable (PersistID) -> Void,
        onFailure: @escaping @Sendable (StorageFailure) -> Void
    ) {
        self.onPersisted = onPersisted
        self.onFailure = onFailure
    }

    func persist(_ persist: Persist) {
        guard !isDead else { return }
        simulation.noteWrite(persist, by: process)
        guard !hasFailed else { return }
        process.disk.write(persist)
        begin()
    }

    func close() {}

    func kill() {
        isDead = true
        onPersisted = nil
        onFailure = nil
    }

    private func begin() {
        guard !isBusy, !process.disk.queue.isEmpty else { return }
        isBusy = true
        simulation.time.after(simulation.diskDelay(of: process)) { [self] in finish() }
    }

    /// The disk has made some of the queue durable in one transaction: group commit. A process that
    /// is stopped has its writer thread stopped too: what the kernel has taken may still get there,
    /// but nobody hears of it.
    private func finish() {
        guard !isDead, !hasFailed else { return }
        guard !process.isStopped else {
            return simulation.time.after(20) { [self] in finish() }
        }
        isBusy = false
        switch simulation.diskOperation(of: process) {
        case .works:
            let waiting = process.disk.queue.count
            let count = 1 + simulation.generator.below(waiting)
            if count > 1 { simulation.mark(.groupCommit) }
            guard let last = simulation.makeDurable(count, of: process) else { return }
            simulation.mark(.persisted)
            onPersisted?(last)
            begin()
        case .crashesBefore:
            simulation.mark(.crashBeforeWrite)
            simulation.crash(process, survivors: 0)
        case .crashesAfter:
            simulation.mark(.crashAfterWrite)
            simulation.crash(process, survivors: process.disk.queue.count)
        case .fails:
            hasFailed = true
            simulation.mark(.failedDisk)
            simulation.trace.note("\(process.id)'s disk fails")
            onFailure?(.inputOutput(path: "simulated", detail: "write failed"))
        }
    }

    enum Operation {
        case works, crashesBefore, crashesAfter, fails
    }
}
