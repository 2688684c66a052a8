import ClusterHarness
package import Foundation
import LocalMachine

/// Real `latchd`s whose links, peers' and clients', go through a ``FaultNet``.
package actor ChaosCluster {
    /// Of a run: what the cluster is made of.
    package struct Settings: Sendable {
        package var latchd: URL
        package var size = 3
        /// Small, so that snapshots and their installation happen often.
        package var snapshotEveryEntries = 2_000
        /// The length of T, from which nodes draw in [T, 2 T].
        package var electionTimeoutMilliseconds = 300
        /// The last node's data lies on a file system of so many megabytes; nil: on the common one.
        package var smallDiskMegabytes: Int?

        package init(latchd: URL, size: Int = 3) {
            self.latchd = latchd
            self.size = size
        }
    }

    package nonisolated let folder: URL
    package nonisolated let ids: [Int]
    package nonisolated let net = FaultNet()
    package nonisolated let shim: Shim?
    private let settings: Settings
    private let binary: URL
    private var advertisedPeers: [Int: Int] = [:]
    private var advertisedClients: [Int: Int] = [:]
    private var ownPeers: [Int: Int] = [:]
    private var ownClients: [Int: Int] = [:]
    private var processes: [Int: NodeProcess] = [:]
    private var hasData: Set<Int> = []
    /// The exit codes with which a node that was started last may end by itself.
    private var mayEnd: [Int: Set<Int32>] = [:]
    /// Ends that nobody was told yet.
    private var wrongEnds: [String] = []
    private var judged: Set<Int> = []
    private var orders: [Int: Shim.Orders] = [:]
    private var disks: [Int: SmallDisk] = [:]

    private init(_ settings: Settings) async throws {
        self.settings = settings
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "latchd-chaos-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        AtExit.remove(folder)
        // A copy: the binary may be built again while the run lasts, and a cluster of two versions
        // is another test.
        binary = folder.appendingPathComponent("latchd")
        try FileManager.default.copyItem(at: settings.latchd.resolvingSymlinksInPath(), to: binary)
        ids = Array(1...settings.size)
        let compiled = Shim.compile(in: folder)
        shim = compiled?.isLoaded(by: binary) == true ? compiled : nil
        let ports = FreePorts.take(2 * settings.size)
        for (position, id) in ids.enumerated() {
            let (peer, client) = (ports[2 * position], ports[2 * position + 1])
            ownPeers[id] = peer
            ownClients[id] = client
            advertisedPeers[id] = try await net.listen(for: id, target: peer, dialler: .peer)
            advertisedClients[id] = try await net.listen(for: id, target: client, dialler: .clients)
        }
    }

    /// Runs `body` with a started cluster; ends every process and removes the folder whatever
    /// happens. The logs go to `keep` first, if `body` throws.
    package static func with<Result: Sendable>(
        _ settings: Settings, keep: URL? = nil,
        _ body: (ChaosCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await ChaosCluster(settings)
        do {
            await cluster.prepareDisks()
            for id in cluster.ids { try await cluster.start(id) }
            let result = try await body(cluster)
            await cluster.stop()
            return result
        } catch {
            if let keep { await cluster.keepLogs(in: keep) }
            await cluster.stop()
            throw error
        }
    }

    // MARK: Processes

    /// Starts a node that has ended, or never began. One look and one start, without a pause
    /// between them: two faults at a time may both want to.
    package func start(_ id: Int) throws {
        guard !isRunning(id) else { return }
        let file = folder.appendingPathComponent("node\(id).yaml")
        try configuration(of: id).write(to: file, atomically: true, encoding: .utf8)
        let isFirst = hasData.insert(id).inserted
        judgeEnd(of: id)
        mayEnd[id] = hasBadDisk(id) ? [End.diskFailure.rawValue] : []
        judged.remove(id)
        var environment: [String: String] = [:]
        if let shim {
            try shim.write(orders[id] ?? .init(), to: ordersFile(of: id))
            environment = shim.environment(orders: ordersFile(of: id))
        }
        processes[id] = try NodeProcess(
            binary: binary,
            arguments: ["--config", file.path] + (isFirst ? ["--bootstrap"] : []),
            log: folder.appendingPathComponent("node\(id).log"), environment: environment)
    }

    private func configuration(of id: Int) -> String {
        let data = folder.appendingPathComponent("data\(id)").path
        // In quotes: a temporary folder may have any name.
        let quoted = data.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        var text = "cluster: chaos\nnode: \(id)\ndata: \"\(quoted)\"\nmembers:\n"
        for member in ids {
            text += "  - {id: \(member), peer: \"127.0.0.1:\(advertisedPeers[member] ?? 0)\", "
            text += "client: \"127.0.0.1:\(advertisedClients[member] ?? 0)\"}\n"
        }
        text += "listen: {peer: \"127.0.0.1:\(ownPeers[id] ?? 0)\", "
        text += "client: \"127.0.0.1:\(ownClients[id] ?? 0)\"}\n"
        let timeout = settings.electionTimeoutMilliseconds
        text += "raft: {heartbeat: \(timeout / 6)ms, "
        text += "election_timeout: \(timeout)ms..\(2 * timeout)ms}\n"
        text += "snapshot: {every_entries: \(settings.snapshotEveryEntries), keep_entries: 200}\n"
        return text
    }

    package func isRunning(_ id: Int) -> Bool { processes[id]?.isRunning == true }

    /// Kill -9: all get the signal before the first is waited for.
    package func kill(_ ids: [Int]) {
        for id in ids {
            expectEnd(of: id, with: .killed)
            signal(id, SIGKILL)
        }
        for id in ids { processes[id]?.kill() }
    }

    package func signal(_ id: Int, _ signal: Int32) { processes[id]?.send(signal) }

    /// How a node ends to which something was done: its exit code, as Docs/Operations.md has it.
    package enum End: Int32 {
        case asAsked = 0
        /// A write or a sync failed; also when stopping took too long.
        case diskFailure = 74
        /// 128 + SIGKILL.
        case killed = 137
        /// 128 + SIGTERM, which came before it listened.
        case terminated = 143
    }

    /// The node may end so until it is started again. Any other end is a violation, a trap too.
    package func expectEnd(of id: Int, with end: End) {
        mayEnd[id, default: []].insert(end.rawValue)
    }

    /// Its disk is well again: it must not end because of it any more, but for another reason.
    package func expectLife(of id: Int) {
        guard !hasBadDisk(id), mayEnd[id]?.contains(End.asAsked.rawValue) != true else { return }
        mayEnd[id]?.remove(End.diskFailure.rawValue)
    }

    /// Whether the node has ended because of its disk.
    package func hasFailed(_ id: Int) -> Bool {
        processes[id]?.exitCode == End.diskFailure.rawValue
    }

    /// Nodes that ended although nothing was done to them, or otherwise than they may; each is told
    /// once.
    package func unexpectedEnds() -> [String] {
        for id in ids { judgeEnd(of: id) }
        defer { wrongEnds = [] }
        return wrongEnds
    }

    private func judgeEnd(of id: Int) {
        guard let code = processes[id]?.exitCode, judged.insert(id).inserted,
            mayEnd[id]?.contains(code) != true
        else { return }
        let allowed = (mayEnd[id] ?? []).sorted().map { "\($0)" }.joined(separator: ", ")
        let text =
            "node \(id) ended by itself with code \(code)"
            + (allowed.isEmpty ? "" : "; it might with \(allowed)")
        wrongEnds.append(([text] + logTail(of: id, lines: 8)).joined(separator: "\n    "))
    }

    /// SIGTERM, and kill -9 if that takes longer than it may. Returns the exit code, nil if killed.
    package func terminate(_ id: Int, within seconds: Double = 8) async -> Int32? {
        guard let process = processes[id] else { return nil }
        for end in [End.asAsked, .terminated, .diskFailure] { expectEnd(of: id, with: end) }
        process.send(SIGTERM)
        let code = try? await eventually("the end of node \(id)", within: seconds) {
            process.exitCode
        }
        if code == nil { kill([id]) }
        return code
    }

    /// Starts every node that has ended; returns which.
    @discardableResult
    package func startMissing() throws -> [Int] {
        let missing = ids.filter { !isRunning($0) }
        for id in missing { try start(id) }
        return missing
    }

    // MARK: Disks and clocks

    private func ordersFile(of id: Int) -> URL { folder.appendingPathComponent("orders\(id)") }

    /// False where there is no shim.
    @discardableResult
    package func order(_ id: Int, _ change: (inout Shim.Orders) -> Void) throws -> Bool {
        guard let shim else { return false }
        change(&orders[id, default: .init()])
        try shim.write(orders[id] ?? .init(), to: ordersFile(of: id))
        return true
    }

    /// Whether a sync of this node has failed since ``forgetFailedSync(of:)``.
    package func hasFailedSync(_ id: Int) -> Bool {
        shim?.hasFailedSync(orders: ordersFile(of: id)) ?? false
    }

    package func forgetFailedSync(of id: Int) {
        shim?.forgetFailedSync(orders: ordersFile(of: id))
    }

    private func prepareDisks() {
        guard let megabytes = settings.smallDiskMegabytes, let id = ids.last else { return }
        let data = folder.appendingPathComponent("data\(id)")
        disks[id] = SmallDisk.mount(at: data, megabytes: megabytes)
    }

    package func fillDisk(of id: Int) -> Bool { disks[id]?.fill() ?? false }
    package func freeDisk(of id: Int) { disks[id]?.free() }

    /// Whether a node that another fault starts now ends again.
    private func hasBadDisk(_ id: Int) -> Bool {
        orders[id]?.failsSync == true || disks[id]?.isFull == true
    }

    package var nodesWithSmallDisks: [Int] { disks.keys.sorted() }

    // MARK: Looking

    /// Where clients reach a node: through the net.
    package func endpoint(of id: Int) -> String { "127.0.0.1:\(advertisedClients[id] ?? 0)" }
    /// A node's own port, which no fault touches: for observers.
    package func ownEndpoint(of id: Int) -> String { "127.0.0.1:\(ownClients[id] ?? 0)" }
    package var endpoints: [String] { ids.map { endpoint(of: $0) } }
    package var ownEndpoints: [String] { ids.map { ownEndpoint(of: $0) } }

    package func keepLogs(in keep: URL) {
        try? FileManager.default.createDirectory(at: keep, withIntermediateDirectories: true)
        for id in ids {
            let log = folder.appendingPathComponent("node\(id).log")
            try? FileManager.default.copyItem(
                at: log, to: keep.appendingPathComponent("node\(id).log"))
        }
    }

    package func logTail(of id: Int, lines: Int = 5) -> [String] {
        (processes[id]?.output ?? "").split(separator: "\n").suffix(lines).map(String.init)
    }

    private func stop() async {
        for process in processes.values { process.kill() }
        await net.stop()
        for disk in disks.values { disk.unmount() }
        try? FileManager.default.removeItem(at: folder)
    }
}
