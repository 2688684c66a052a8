import RaftCore

// What goes wrong, and how it ends.

extension Simulation {
    private enum Fault: CaseIterable {
        case crash, crashAll, pause, partition, flap, slowDisk, falseEvidence, transfer
    }

    private func weight(of fault: Fault) -> Int {
        switch fault {
        case .crash: options.nemesis.crash
        case .crashAll: options.nemesis.crashAll
        case .pause: options.nemesis.pause
        case .partition: options.nemesis.partition
        case .flap: options.nemesis.flap
        case .slowDisk: options.nemesis.slowDisk
        case .falseEvidence: options.nemesis.falseEvidence
        case .transfer: options.nemesis.transfer
        }
    }

    mutating func runNemesis() throws(Violation) {
        guard !areFaultsOver else { return }
        queue.add(
            .nemesis, at: now + generator.draw(from: options.nemesis.pauseBetweenMilliseconds))
        let bag = Fault.allCases.flatMap { Array(repeating: $0, count: weight(of: $0)) }
        guard !bag.isEmpty else { return }
        switch generator.pick(bag) {
        case .crash: try crash(victim())
        case .crashAll: for server in servers.indices { try crash(server) }
        case .pause: pause(victim())
        case .partition: partition(for: generator.draw(from: 50...1_500))
        case .flap: flap()
        case .slowDisk: toggleSlowDisk(victim())
        case .falseEvidence: lie()
        case .transfer: handOver()
        }
    }

    /// Figure 8 needs leaders that get some old entries out, and none of their own.
    mutating func planAmbush(on server: Int) {
        guard !areFaultsOver, generator.happens(permille: options.nemesis.ambushPermille)
        else { return }
        let reach = options.settings.heartbeatIntervalMilliseconds
        queue.add(
            .ambush(server: server, life: servers[server].life),
            at: now + generator.draw(from: 1...(2 * reach)))
    }

    mutating func ambush(_ server: Int) throws(Violation) {
        guard !areFaultsOver else { return }
        mark(\.ambushes)
        if generator.happens(permille: 600) { return try crash(server) }
        for other in servers.indices where other != server {
            if generator.happens(permille: 700) { network.cut(from: server, to: other) }
        }
        trace.note("\(servers[server].id) is cut off from some")
        queue.add(
            .healNetwork(epoch: network.epoch), at: now + generator.draw(from: 100...1_000))
    }

    /// A leader is the most interesting victim.
    private mutating func victim() -> Int {
        let leaders = servers.indices.filter { servers[$0].raft?.role == .leader }
        return leaders.isEmpty || generator.happens(permille: 500)
            ? generator.below(servers.count) : generator.pick(leaders)
    }

    /// kill -9: some of the writes that nobody has acknowledged survive, in order; the rest is
    /// lost.
    private mutating func crash(_ server: Int) throws(Violation) {
        guard servers[server].raft != nil else { return }
        let waiting = servers[server].disk.queue.count
        let survivors = generator.below(waiting + 1)
        _ = try makeDurable(survivors, at: server)
        servers[server].disk.dropQueue()
        mark(\.crashes)
        marks.lostWrites += waiting - survivors
        trace.note("\(servers[server].id) crashes, \(waiting - survivors) writes are lost")
        trace.fold(7, UInt64(server), UInt64(survivors))
        servers[server].die()
        let back = now + generator.draw(from: generator.pick([1...20, 50...800, 500...2_500]))
        queue.add(.restart(server: server), at: back)
        tellPeers(about: server, isReachable: false, at: now)
        tellPeers(about: server, isReachable: true, at: back)
    }

    private mutating func tellPeers(about server: Int, isReachable: Bool, at time: UInt64) {
        for peer in servers.indices where peer != server {
            guard generator.happens(permille: options.trueEvidencePermille) else { continue }
            queue.add(
                .evidence(server: peer, about: servers[server].id, isReachable: isReachable),
                at: time + generator.draw(from: 1...10))
        }
    }

    mutating func noteEvidence(_ server: Int, _ about: ServerID, isReachable: Bool) {
        guard servers[server].raft != nil else { return }
        post(.input(isReachable ? .peerReachable(about) : .peerUnreachable(about)), to: server)
    }

    /// Evidence that is wrong must cost nothing but an election.
    private mutating func lie() {
        let about = servers[victim()].id
        for server in servers.indices where generator.happens(permille: 600) {
            noteEvidence(server, about, isReachable: generator.happens(permille: 200))
        }
    }

    /// SIGSTOP: the process does nothing and keeps everything, then finds itself later.
    private mutating func pause(_ server: Int) {
        guard servers[server].isRunning else { return }
        mark(\.pauses)
        servers[server].isPaused = true
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        let length = generator.draw(from: (timeout / 2)...(timeout * 6))
        trace.note("\(servers[server].id) is stopped for \(length) ms")
        queue.add(.resume(server: server), at: now + length)
    }

    mutating func resume(_ server: Int) {
        guard servers[server].isPaused else { return }
        servers[server].isPaused = false
        servers[server].isTurnScheduled = false
        scheduleTurn(server, after: 0)
    }

    private mutating func partition(for length: UInt64) {
        guard servers.count > 1 else { return }
        mark(\.partitions)
        let words = network.partition(&generator)
        trace.note("the network \(words)")
        queue.add(.healNetwork(epoch: network.epoch), at: now + length)
    }

    /// One link goes on and off, about as often as elections time out.
    private mutating func flap() {
        guard servers.count > 1 else { return }
        let from = generator.below(servers.count)
        let to = generator.below(servers.count)
        let isCut = network.isCut(from: from, to: to)
        if isCut { network.healCuts() } else { network.cut(from: from, to: to) }
        trace.note("the link \(from + 1) → \(to + 1) \(isCut ? "is back" : "is cut")")
        let timeout = options.settings.electionTimeoutMilliseconds.upperBound
        queue.add(.healNetwork(epoch: network.epoch), at: now + generator.draw(from: 20...timeout))
    }

    private mutating func toggleSlowDisk(_ server: Int) {
        servers[server].isSlow.toggle()
        trace.note(
            "the disk of \(servers[server].id) is \(servers[server].isSlow ? "slow" : "well")")
    }

    private mutating func handOver() {
        for server in servers.indices where servers[server].raft?.role == .leader {
            let target =
                generator.happens(permille: 500) ? nil : servers[generator.below(servers.count)].id
            post(.input(.transferLeadership(to: target)), to: server)
        }
    }
}
