import Chaos
import ClusterHarness
import Foundation
import LocalMachine

@testable import latchctl

/// `latchctl run` processes on a real cluster, each behind links of its own that can be cut.
final class RunRig: Sendable {
    let cluster: TestCluster
    let folder: URL
    private let net = FaultNet()

    init(_ cluster: TestCluster) throws {
        self.cluster = cluster
        folder = cluster.folder.appendingPathComponent("run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Self.beater.write(to: script, atomically: true, encoding: .utf8)
    }

    func stop() async { await net.stop() }

    // MARK: The command

    var script: URL { folder.appendingPathComponent("beater.sh") }
    var log: URL { folder.appendingPathComponent("beats.log") }

    /// Takes a lock of the kernel that all its processes keep until the last of them is dead, so
    /// that an overlap of two commands, however short, is seen. One of them ignores SIGTERM and
    /// left the process group.
    private static let beater = """
        dir=$1
        exec 9>>"$dir/lock"
        beat() {
          read -r up rest < /proc/uptime
          echo "$1 $LATCHD_FENCING_TOKEN $LATCHD_PARTICIPANT $up" >> "$dir/beats.log"
        }
        if ! flock -n 9; then beat overlap; exit 77; fi
        beat start
        setsid sh -c 'trap "" TERM HUP INT; while :; do
          read -r up rest < /proc/uptime
          echo "beat $LATCHD_FENCING_TOKEN $LATCHD_PARTICIPANT $up" >> "$1/beats.log"; sleep 0.05
        done' sh "$dir" &
        trap 'beat term; exit 0' TERM
        while :; do beat beat; sleep 0.05; done
        """

    /// Nobody holds the lock of the command's processes any more.
    func isDeserted() -> Bool {
        let lock = open(folder.appendingPathComponent("lock").path, O_RDWR)
        defer { close(lock) }
        return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0
    }

    /// One line of the command's log.
    struct Beat: Hashable {
        let kind: String
        let token: UInt64
        let participant: String
        /// Seconds since the machine's start.
        let time: Double
    }

    func beats() throws -> [Beat] {
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 4, let token = UInt64(words[1]), let time = Double(words[3])
            else { return nil }
            return Beat(
                kind: String(words[0]), token: token, participant: String(words[2]), time: time)
        }
    }

    // MARK: Processes

    /// Addresses that lead to the nodes through links of the client `number`.
    func links(of number: Int) async throws -> [String] {
        var endpoints: [String] = []
        for id in cluster.ids {
            let port = try await net.listen(
                for: receiver(number, id), target: cluster.clientPorts[id] ?? 0, dialler: .clients)
            endpoints.append("127.0.0.1:\(port)")
        }
        return endpoints
    }

    private func receiver(_ number: Int, _ node: Int) -> Int { 100 * number + node }

    /// Nothing passes between the client `number` and any node, or everything again.
    func cut(_ number: Int, _ isCut: Bool) {
        let ways = cluster.ids.flatMap { id in
            let way = Direction(Direction.clients, receiver(number, id))
            return [way, way.reversed]
        }
        net.set(isCut ? .silent : .clear, on: ways)
    }

    func start(_ arguments: [String], endpoints: [String]? = nil) throws -> NodeProcess {
        let endpoints = (endpoints ?? cluster.endpoints).joined(separator: ",")
        return try NodeProcess(
            binary: BuiltPrograms.latchctl,
            arguments: ["run", "--endpoints", endpoints] + arguments,
            log: folder.appendingPathComponent("latchctl-\(UUID().uuidString).log"))
    }

    func run(_ arguments: [String]) async throws -> (code: Int32, text: String) {
        let process = try start(arguments)
        let code = try await eventually("the exit of latchctl run") { process.exitCode }
        return (code, process.output)
    }

    func wait(for text: String, in process: NodeProcess, within seconds: Double = 15) async throws {
        do {
            _ = try await eventually("\"\(text)\"", within: seconds) {
                process.output.contains(text) ? true : nil
            }
        } catch {
            throw ClusterFailure(cause: error, logs: process.output)
        }
    }

    /// The guard of a `latchctl run`.
    func guardProcess(of process: NodeProcess) throws -> Int32 {
        let children = try Descendants(of: process.pid).entries.filter { $0.parent == process.pid }
        guard let child = children.first else { throw HarnessError("there is no guard now") }
        return child.pid
    }
}
