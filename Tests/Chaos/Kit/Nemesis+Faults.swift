import Foundation

// One function for each family of faults. Each waits as long as the fault lasts and undoes it.
extension Nemesis {
    func perform(_ kind: FaultKind) async throws {
        switch kind {
        case .kill: try await kill(kind, [random(0...2) == 0 ? leaderOrAny() : someNode()])
        case .killTwo: try await kill(kind, someNodes(2))
        case .killAll: try await kill(kind, cluster.ids)
        case .restart: try await restart()
        case .stop: try await stop(kind, [random(0...1) == 0 ? leaderOrAny() : someNode()])
        case .stopAll: try await stop(kind, cluster.ids)
        case .oneWay: try await oneWay()
        case .bridge: try await bridge()
        case .isolateLeader: try await isolateLeader()
        case .flapping: try await flap()
        case .halfOpen: try await halfOpen()
        case .slowLink: try await slowLink()
        case .slowReader: try await slowReader()
        case .cutFrames: try await cutFrames()
        case .clientLinks: try await clientLinks()
        case .slowSync: try await slowSync()
        case .failSync: try await failSync()
        case .fullDisk: try await fullDisk()
        case .clockStep: try await clockStep()
        }
    }

    private func leaderOrAny() -> Int { observer.leader ?? someNode() }

    private func others(_ id: Int) -> [Int] { cluster.ids.filter { $0 != id } }

    // MARK: Processes

    private func kill(_ kind: FaultKind, _ victims: [Int]) async throws {
        say(kind, "\(victims)")
        await cluster.kill(victims)
        try await wait(milliseconds: random(0...1_500))
        for id in victims.reversed() { try await cluster.start(id) }
        timeline.note("nemesis: started \(victims.reversed().map { $0 })")
    }

    private func restart() async throws {
        let id = random(0...1) == 0 ? leaderOrAny() : someNode()
        say(.restart, "SIGTERM to \(id)")
        let code = await cluster.terminate(id)
        timeline.note("nemesis: node \(id) ended with \(code.map { "\($0)" } ?? "kill -9")")
        try await wait(milliseconds: random(0...800))
        try await cluster.start(id)
    }

    private func stop(_ kind: FaultKind, _ victims: [Int]) async throws {
        let milliseconds = random(electionTimeout / 2...10 * electionTimeout)
        say(kind, "SIGSTOP to \(victims) for \(milliseconds) ms")
        for id in victims { await cluster.signal(id, SIGSTOP) }
        try await wait(milliseconds: milliseconds)
        for id in victims { await cluster.signal(id, SIGCONT) }
        timeline.note("nemesis: SIGCONT to \(victims)")
    }

    // MARK: Links

    private func hold(
        _ kind: FaultKind, _ policy: LinkPolicy, on directions: [Direction], _ text: String,
        milliseconds: Int
    ) async throws {
        say(kind, "\(text) for \(milliseconds) ms")
        cluster.net.set(policy, on: directions)
        try await wait(milliseconds: milliseconds)
        cluster.net.set(.clear, on: directions)
        timeline.note("nemesis: \(kind.rawValue) ends")
    }

    private func oneWay() async throws {
        let id = random(0...1) == 0 ? leaderOrAny() : someNode()
        let outward = random(0...1) == 0
        let directions = others(id).map { outward ? Direction(id, $0) : Direction($0, id) }
        let lost = random(0...1) == 0 ? directions : Array(directions.prefix(1))
        try await hold(.oneWay, .silent, on: lost, "\(lost)", milliseconds: random(500...3_000))
    }

    private func bridge() async throws {
        let order = someNodes(cluster.ids.count)
        let middle = order[0]
        let half = (order.count - 1) / 2
        let (left, right) = (order[1...half], order[(half + 1)...])
        let cut = left.flatMap { one in right.flatMap { [Direction(one, $0), Direction($0, one)] } }
        try await hold(
            .bridge, .silent, on: cut, "over \(middle): \(Array(left)) | \(Array(right))",
            milliseconds: random(1_000...3_500))
    }

    private func isolateLeader() async throws {
        let id = leaderOrAny()
        let cut = others(id).flatMap { [Direction(id, $0), Direction($0, id)] }
        try await hold(
            .isolateLeader, .silent, on: cut, "\(id)", milliseconds: random(600...3_000))
    }

    private func flap() async throws {
        let id = random(0...1) == 0 ? leaderOrAny() : someNode()
        let other = others(id)[random(0...cluster.ids.count - 2)]
        let link = [Direction(id, other), Direction(other, id)]
        let period = random(60...700)
        say(.flapping, "\(id)–\(other) every \(period) ms")
        for round in 0..<(2_500 / period) {
            cluster.net.set(round % 2 == 0 ? .silent : .clear, on: link)
            try await wait(milliseconds: period)
        }
        cluster.net.set(.clear, on: link)
        timeline.note("nemesis: flapping ends")
    }

    private func halfOpen() async throws {
        let id = someNode()
        let cut = others(id).flatMap { [Direction(id, $0), Direction($0, id)] }
        let milliseconds = random(1_000...2_500)
        say(.halfOpen, "node \(id) for \(milliseconds) ms, then its connections are reset")
        cluster.net.set(.silent, on: cut)
        try await wait(milliseconds: milliseconds)
        // What waited is lost, as behind a router that forgot the connections.
        for direction in cut { cluster.net.reset(direction) }
        cluster.net.set(.clear, on: cut)
        timeline.note("nemesis: half-open ends")
    }

    private func slowLink() async throws {
        let id = random(0...1) == 0 ? leaderOrAny() : someNode()
        let policy = LinkPolicy(
            delayMilliseconds: random(5...120), jitterMilliseconds: random(0...150),
            bytesPerSecond: random(0...1) == 0 ? random(20_000...200_000) : nil)
        let ways = others(id).flatMap { [Direction(id, $0), Direction($0, id)] }
        let bandwidth = policy.bytesPerSecond.map { ", \($0) bytes/s" } ?? ""
        try await hold(
            .slowLink, policy, on: ways,
            "\(id), \(policy.delayMilliseconds)+\(policy.jitterMilliseconds) ms\(bandwidth)",
            milliseconds: random(1_000...3_500))
    }

    private func slowReader() async throws {
        let id = someNode()
        let way = others(id).map { Direction($0, id) } + [Direction(id, Direction.clients)]
        let rate = random(500...20_000)
        try await hold(
            .slowReader, LinkPolicy(bytesPerSecond: rate), on: way,
            "\(id) takes \(rate) bytes/s from its peers, and so do its clients",
            milliseconds: random(1_000...3_000))
    }

    private func cutFrames() async throws {
        let id = someNode()
        let ways = others(id).flatMap { [Direction(id, $0), Direction($0, id)] }
        say(.cutFrames, "\(id)")
        for _ in 0..<random(1...5) {
            cluster.net.set(LinkPolicy(cutsInMidFrame: true), on: ways)
            try await wait(milliseconds: random(50...300))
        }
        cluster.net.set(.clear, on: ways)
    }

    private func clientLinks() async throws {
        let id = someNode()
        let (there, back) = (Direction(Direction.clients, id), Direction(id, Direction.clients))
        let choices: [(String, LinkPolicy, [Direction])] = [
            ("silent towards the node", .silent, [there]),
            ("silent towards the clients", .silent, [back]),
            ("delayed", LinkPolicy(delayMilliseconds: 80, jitterMilliseconds: 80), [there, back]),
            ("cut", LinkPolicy(cutsInMidFrame: true), [there, back]),
        ]
        let (text, policy, ways) = choices[random(0...choices.count - 1)]
        try await hold(
            .clientLinks, policy, on: ways, "of \(id): \(text)", milliseconds: random(500...2_500))
    }

    // MARK: Disks and clocks

    private func slowSync() async throws {
        let id = random(0...1) == 0 ? leaderOrAny() : someNode()
        let delay = random(20...400)
        let milliseconds = random(1_000...3_000)
        say(.slowSync, "node \(id): \(delay) ms each for \(milliseconds) ms")
        try await cluster.order(id) { $0.syncDelayMilliseconds = delay }
        try await wait(milliseconds: milliseconds)
        try await cluster.order(id) { $0.syncDelayMilliseconds = 0 }
        timeline.note("nemesis: slow-sync ends")
    }

    private func failSync() async throws {
        let id = someNode()
        await cluster.expectEnd(of: id, with: .diskFailure)
        say(.failSync, "node \(id)")
        await cluster.forgetFailedSync(of: id)
        try await cluster.order(id) { $0.failsSync = true }
        try await endsBecauseOfDisk(id)
        // It may be stopped between the failure and its end.
        let end = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < end, await cluster.isRunning(id),
            await cluster.hasFailedSync(id)
        {
            try await wait(milliseconds: 20)
        }
        if await cluster.isRunning(id), await cluster.hasFailedSync(id) {
            observer.note(violation: "node \(id) goes on although a sync failed (D1)")
        }
        try await cluster.order(id) { $0.failsSync = false }
        try await cluster.start(id)
        if await !cluster.hasFailedSync(id) { await cluster.expectLife(of: id) }
    }

    private func fullDisk() async throws {
        guard let id = await cluster.nodesWithSmallDisks.first else { return }
        await cluster.expectEnd(of: id, with: .diskFailure)
        guard await cluster.fillDisk(of: id) else { return }
        say(.fullDisk, "node \(id)")
        try await endsBecauseOfDisk(id)
        await cluster.freeDisk(of: id)
        // A write of just before may have failed: it may end a moment later.
        try await wait(milliseconds: 500)
        try await cluster.start(id)
        await cluster.expectLife(of: id)
    }

    /// A node whose disk fails must not go on; an idle one may not notice for a while.
    private func endsBecauseOfDisk(_ id: Int) async throws {
        let end = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < end, await cluster.isRunning(id) {
            try await wait(milliseconds: 20)
        }
        // How it ended is judged by the cluster; another fault may have killed it meanwhile.
        if await cluster.hasFailed(id) { countEffect() }
        let running = await cluster.isRunning(id)
        timeline.note("nemesis: node \(id) \(running ? "still runs" : "ended")")
    }

    private func clockStep() async throws {
        let id = someNode()
        let minutes = random(-600...600)
        say(.clockStep, "node \(id) by \(minutes) minutes")
        try await cluster.order(id) { $0.wallClockOffsetMilliseconds = minutes * 60_000 }
        try await wait(milliseconds: random(500...1_500))
        // Back half of the time; else it stays there and the next step starts from it.
        if random(0...1) == 0 {
            try await cluster.order(id) { $0.wallClockOffsetMilliseconds = 0 }
        }
    }
}
