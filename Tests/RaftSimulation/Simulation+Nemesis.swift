import LatchMachine
import LatchNode
import NIOCore
import PeerTransport
import RaftCore

// What goes wrong.

extension Simulation {
    private enum Fault: CaseIterable {
        case crash, crashAll, crashAtDisk, failDisk, pause, partition, flap, slowDisk,
            falseEvidence, retire
        case isolate, strand, hold

        /// It heals or cuts links, and so would end an isolation early.
        var isOfLinks: Bool {
            switch self {
            case .partition, .flap, .isolate, .strand: true
            case .crash, .crashAll, .crashAtDisk, .failDisk, .pause, .slowDisk, .falseEvidence,
                .retire, .hold:
                false
            }
        }
    }

    private func weight(of fault: Fault) -> Int {
        switch fault {
        case .crash: options.nemesis.crash
        case .crashAll: options.nemesis.crashAll
        case .crashAtDisk: options.nemesis.crashAtDisk
        case .failDisk: options.nemesis.failDisk
        case .pause: options.nemesis.pause
        case .partition: options.nemesis.partition
        case .flap: options.nemesis.flap
        case .slowDisk: options.nemesis.slowDisk
        case .falseEvidence: options.nemesis.falseEvidence
        case .retire: options.nemesis.retire
        case .isolate: options.nemesis.isolate
        case .strand: options.nemesis.strand
        case .hold: options.nemesis.hold
        }
    }

    func scheduleNemesis() {
        let pause = generator.draw(from: options.nemesis.pauseBetweenMilliseconds)
        time.after(pause) { [self] in
            guard !areFaultsOver else { return }
            scheduleNemesis()
            runNemesis()
        }
    }

    private func runNemesis() {
        let bag = Fault.allCases.flatMap { Array(repeating: $0, count: weight(of: $0)) }
        guard !bag.isEmpty else { return }
        let fault = generator.pick(bag)
        if now < calmEnd || (now < isolationEnd && fault.isOfLinks) { return }
        switch fault {
        case .crash: crash(victim(), survivors: nil)
        case .crashAll:
            mark(.crashedAll)
            for process in processes { crash(process, survivors: nil) }
        case .crashAtDisk, .failDisk:
            victim().diskFault = SimulatedProcess.DiskFault(
                isFailure: fault == .failDisk, operationsLeft: generator.below(6))
        case .pause: pause(victim())
        case .partition: partition(for: generator.draw(from: 50...1_500))
        case .flap: flap()
        case .slowDisk: toggleSlowDisk(victim())
        case .falseEvidence: lie()
        case .retire: retire(victim())
        case .isolate: isolate(processes.first(where: isLeader) ?? victim())
        case .strand: strand()
        case .hold: beginHold(at: victim())
        }
    }

    /// Figure 8 needs leaders that get some old entries out, and none of their own.
    func planAmbush(on process: SimulatedProcess) {
        guard !areFaultsOver, generator.happens(permille: options.nemesis.ambushPermille)
        else { return }
        let life = process.life
        let reach = options.settings.heartbeatIntervalMilliseconds
        time.after(generator.draw(from: 1...(2 * reach))) { [self] in
            guard !areFaultsOver, now >= calmEnd, process.life == life, process.node != nil
            else { return }
            ambush(process)
        }
    }

    private func ambush(_ process: SimulatedProcess) {
        mark(.ambushed)
        if now < isolationEnd || generator.happens(permille: 600) {
            return crash(process, survivors: nil)
        }
        for other in processes.indices where other != process.position {
            if generator.happens(permille: 700) {
                network.cut(from: process.position, to: other)
            }
        }
        trace.note("\(process.id) is cut off from some")
        healNetwork(after: generator.draw(from: 100...1_000))
    }

    func healNetwork(after delay: UInt64) {
        let epoch = network.epoch
        time.after(delay) { [self] in
            if epoch == network.epoch, !areFaultsOver { network.healCuts() }
        }
    }

    func isLeader(_ process: SimulatedProcess) -> Bool {
        process.node?.raft.role == .leader
    }

    /// A leader is the most interesting victim.
    private func victim() -> SimulatedProcess {
        let leaders = processes.filter(isLeader)
        return leaders.isEmpty || generator.happens(permille: 500)
            ? generator.pick(processes) : generator.pick(leaders)
    }

    /// kill -9: some of the writes that nobody has acknowledged survive, in order; the rest is
    /// lost.
    ///
    /// - Parameter survivors: how many writes survive; nil: any number.
    func crash(_ process: SimulatedProcess, survivors: Int?) {
        guard process.node != nil else { return }
        let waiting = process.disk.queue.count
        let kept = survivors ?? generator.below(waiting + 1)
        mark(.crashed)
        if isLeader(process) { mark(.crashedLeader) }
        if now < process.startedAt + 30 { mark(.crashedAgainEarly) }
        if kept > 0 { mark(.survivedUnacknowledged) }
        for lost in process.disk.queue.dropFirst(kept) {
            mark(.lostWrite)
            if lost.vote?.votedFor != nil { mark(.lostVote) }
            if !lost.append.isEmpty { mark(.lostAppend) }
            if lost.snapshot != nil { mark(.snapshotLostInCrash) }
        }
        _ = makeDurable(kept, of: process)
        process.disk.dropQueue()
        trace.note("\(process.id) crashes, \(waiting - kept) writes are lost")
        trace.fold(7, UInt64(process.position), UInt64(kept))
        process.die()
        let pauses: [ClosedRange<UInt64>] = [1...20, 50...800, 500...2_500]
        let back = generator.draw(from: areFaultsOver ? 1...20 : generator.pick(pauses))
        time.after(back) { [self] in start(process) }
    }

    /// SIGTERM: leadership first, then the end. Everything that was written is kept.
    private func retire(_ process: SimulatedProcess) {
        guard process.isRunning, !process.isRetiring, let node = process.node,
            let loop = process.loop
        else { return }
        let wasLeader = isLeader(process)
        mark(wasLeader ? .retiredLeader : .retiredFollower)
        trace.note("\(process.id) is told to stop")
        process.isRetiring = true
        if wasLeader, options.nemesis.hold > 0, generator.happens(permille: 600) {
            beginHold(at: process, isFarewell: true)
        }
        let life = process.life
        let promise = loop.makePromise(of: Void.self)
        process.retirement = promise
        promise.futureResult.whenComplete { [self] _ in
            time.after(generator.draw(from: 0...20)) { [self] in
                guard process.life == life, process.node != nil else { return }
                if wasLeader, !isLeader(process) { mark(.transferCompleted) }
                crash(process, survivors: process.disk.queue.count)
            }
        }
        node.retire(within: .milliseconds(300), completing: promise)
    }

    /// Evidence that is wrong must cost nothing but an election.
    private func lie() {
        mark(.falseEvidence)
        let about = victim()
        for process in processes
        where process.position != about.position && generator.happens(permille: 600) {
            process.links?.emit(.unreachable(about.id))
        }
    }

    /// SIGSTOP: the process does nothing and keeps everything, then finds itself later.
    private func pause(_ process: SimulatedProcess) {
        guard process.isRunning else { return }
        let wasLeader = isLeader(process)
        mark(wasLeader ? .stoppedLeader : .stopped)
        process.stop()
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        let length = generator.draw(from: (timeout / 2)...(timeout * 6))
        if length > 3 * timeout { mark(.stoppedLong) }
        trace.note("\(process.id) is stopped for \(length) ms")
        if wasLeader { stick(to: process, for: length + timeout) }
        let life = process.life
        time.after(length) { [self] in
            guard process.life == life else { return }
            if wasLeader, process.isStopped { mark(.resumedOldLeader) }
            resume(process)
        }
    }

    func resume(_ process: SimulatedProcess) {
        guard process.isStopped else { return }
        trace.note("\(process.id) goes on")
        process.ledSince = now
        process.resume()
    }

    private func partition(for length: UInt64) {
        guard processes.count > 1 else { return }
        let (words, mark) = network.partition(&generator)
        self.mark(mark)
        if let leader = processes.first(where: isLeader),
            processes.indices.contains(where: { !network.isPassable(leader.position, $0) })
        {
            self.mark(.partitionedLeader)
        }
        trace.note("the network \(words)")
        healNetwork(after: length)
    }

    /// One link goes on and off, about as often as elections time out.
    private func flap() {
        guard processes.count > 1 else { return }
        mark(.flapped)
        let from = generator.below(processes.count)
        let to = generator.below(processes.count)
        let isCut = network.isCut(from: from, to: to)
        if isCut { network.healCuts() } else { network.cut(from: from, to: to) }
        trace.note("the link \(from + 1) → \(to + 1) \(isCut ? "is back" : "is cut")")
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        healNetwork(after: generator.draw(from: 20...timeout))
    }

    private func toggleSlowDisk(_ process: SimulatedProcess) {
        process.isSlow.toggle()
        if process.isSlow { mark(.slowDisk) }
        trace.note("the disk of \(process.id) is \(process.isSlow ? "slow" : "well")")
    }
}
