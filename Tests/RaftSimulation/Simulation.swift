import LatchMachine
package import RaftCore

/// A whole cluster in virtual time: one seed decides everything that happens.
///
/// First faults, while the observers check safety after every step; then all faults end, and the
/// cluster must make progress within a bounded time (I20).
package struct Simulation: Sendable {
    package let seed: UInt64
    package let options: SwarmOptions
    package var trace: Trace
    package internal(set) var marks = Marks()

    var generator: SeededGenerator
    var queue = EventQueue()
    var now: UInt64 = 0
    var network: SimulatedNetwork
    var servers: [SimulatedServer]
    var clients: [SimulatedClient]
    var observer: RaftObserver
    var latches = LatchObserver()
    let configuration: ClusterConfiguration
    var judgement = Judgement()
    var areFaultsOver = false
    var areClientsStopped = false

    /// More events than this means that the cluster runs in circles.
    private static let eventLimit = 400_000

    package init(seed: UInt64, mode: Trace.Mode = .hashOnly) {
        var generator = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x5EED)
        let options = SwarmOptions(drawnFrom: &generator)
        self.init(seed: seed, options: options, generator: generator, mode: mode)
    }

    package init(
        seed: UInt64, options: SwarmOptions, generator: SeededGenerator, mode: Trace.Mode
    ) {
        self.seed = seed
        self.options = options
        self.generator = generator
        trace = Trace(mode: mode)
        let ids = (1...options.serverCount).map { ServerID(UInt16($0)) }
        configuration = ClusterConfiguration(voters: ids)
        network = SimulatedNetwork(count: ids.count, options: options.network)
        servers = ids.map { SimulatedServer(id: $0, limits: options.limits) }
        clients = (0..<options.clientCount).map { SimulatedClient(number: $0) }
        observer = RaftObserver(count: ids.count)
    }

    /// Runs to the end. Afterwards `trace` and `marks` tell what happened.
    package mutating func run() throws(Violation) {
        trace.note("seed \(seed): \(options.serverCount) servers, \(options.settings)")
        for server in servers.indices { try start(server) }
        for client in clients.indices {
            queue.add(.client(client), at: generator.draw(from: options.clientPauseMilliseconds))
        }
        queue.add(.nemesis, at: generator.draw(from: options.nemesis.pauseBetweenMilliseconds))
        queue.add(.endFaults, at: options.faultMilliseconds)
        while !judgement.isDone, let (time, event) = queue.removeFirst() {
            marks.events += 1
            try require(
                marks.events < Simulation.eventLimit, "I19 bounds", "the cluster runs in circles")
            now = time
            trace.now = time
            try handle(event)
        }
        marks.elections = observer.electionCount
        marks.expiredSessions = latches.expiredCount
        marks.repeatedAnswers = latches.repeatedAnswerCount
        marks.commits = Int(observer.commitIndex.rawValue)
    }

    private mutating func handle(_ event: Event) throws(Violation) {
        switch event {
        case .deliver(let envelope):
            receive(envelope)
        case .request(let server, let request, let hops):
            guard servers[server].raft != nil else { return }
            post(.request(request, hops: hops), to: server)
        case .answer(let client, let answer):
            take(answer, client: client)
        case .turn(let server, let life):
            if life == servers[server].life { try turn(server) }
        case .timer(let server, let life, let number):
            guard life == servers[server].life, number == servers[server].timerNumber else {
                return
            }
            fireTimer(server)
        case .disk(let server, let life):
            if life == servers[server].life { try finishWrites(server) }
        case .snapshot(let server, let life, let snapshot):
            guard life == servers[server].life else { return }
            servers[server].isEncodingSnapshot = false
            post(.input(.snapshotTaken(snapshot)), to: server)
        case .upkeep(let server, let life):
            if life == servers[server].life { upkeep(server) }
        case .evidence(let server, let about, let isReachable):
            noteEvidence(server, about, isReachable: isReachable)
        case .restart(let server):
            if servers[server].raft == nil { try start(server) }
        case .resume(let server):
            resume(server)
        case .client(let client):
            runClient(client)
        case .nemesis:
            try runNemesis()
        case .ambush(let server, let life):
            if life == servers[server].life { try ambush(server) }
        case .healNetwork(let epoch):
            if epoch == network.epoch, !areFaultsOver { network.healCuts() }
        case .endFaults:
            try endFaults()
        case .judge:
            try judge()
        }
    }

    mutating func mark(_ path: WritableKeyPath<Marks, Int>) {
        marks[keyPath: path] += 1
    }
}

/// How often the rare and important things happened: a simulator that never gets there proves
/// nothing.
package struct Marks: Sendable {
    package var events = 0
    package var steps = 0
    package var commits = 0
    package var elections = 0
    package var crashes = 0
    package var lostWrites = 0
    package var ambushes = 0
    package var pauses = 0
    package var partitions = 0
    package var truncations = 0
    package var installedSnapshots = 0
    package var installsWithSuffix = 0
    package var takenSnapshots = 0
    package var transfers = 0
    package var hastenedCampaigns = 0
    package var grantedReads = 0
    package var heldReads = 0
    package var refusedReads = 0
    package var quorumLosses = 0
    package var refusedByLog = 0
    package var expiredSessions = 0
    package var repeatedAnswers = 0
    package var heldCommands = 0
    package var unknownSessions = 0
    package var answeredCalls = 0

    package init() {}

    package static let names: [(String, any WritableKeyPath<Marks, Int> & Sendable)] = [
        ("events", \.events), ("steps", \.steps), ("commits", \.commits),
        ("elections", \.elections), ("crashes", \.crashes), ("lost writes", \.lostWrites),
        ("ambushes", \.ambushes), ("pauses", \.pauses), ("partitions", \.partitions),
        ("truncations", \.truncations),
        ("installed snapshots", \.installedSnapshots),
        ("installs that keep a suffix", \.installsWithSuffix),
        ("taken snapshots", \.takenSnapshots), ("transfers", \.transfers),
        ("hastened campaigns", \.hastenedCampaigns), ("granted reads", \.grantedReads),
        ("held reads", \.heldReads), ("refused reads", \.refusedReads),
        ("lost quorums", \.quorumLosses), ("votes refused by log", \.refusedByLog),
        ("expired sessions", \.expiredSessions), ("repeated answers", \.repeatedAnswers),
        ("held commands", \.heldCommands), ("unknown sessions", \.unknownSessions),
        ("answered calls", \.answeredCalls),
    ]

    package mutating func add(_ other: Marks) {
        for (_, path) in Marks.names { self[keyPath: path] += other[keyPath: path] }
    }
}
