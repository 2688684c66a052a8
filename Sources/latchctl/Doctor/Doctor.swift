import ArgumentParser
import Foundation
import LatchClient

/// `latchctl doctor`.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures disk, nodes and writes, and says what they mean for a TTL.",
        discussion: """
            Measures how long each node takes to answer (Status, without a leader), how long a write takes (opening \
            and closing a session of a latch "latchctl-doctor-…", which is deleted afterwards), and with --directory \
            how long the disk takes to make 4 KiB durable: run it on the machine of a node, in its data directory. \
            Then it tells how near renewals come to being late, and how long a takeover takes at most.

            Examples:
              latchctl doctor
              latchctl doctor --ttl 3s
              latchctl doctor --directory /var/lib/latchd

            Exit codes: 0 all is well, 2 there is a warning or worse, 1 no answer.
            """)

    @OptionGroup var cluster: ClusterOptions

    @Option(
        help: ArgumentHelp("The TTL to judge. Default: 10s.", valueName: "duration"),
        transform: TimeSpan.parse)
    var ttl: TimeSpan = TimeSpan(.seconds(10))

    @Option(
        help: ArgumentHelp("Measure the disk of this directory.", valueName: "path"),
        completion: .directory)
    var directory: String?

    @Option(help: ArgumentHelp("How many times to measure each.", valueName: "count"))
    var samples: Int = 50

    @Flag(help: "Print JSON.")
    var json = false

    mutating func validate() throws {
        guard (1...10_000).contains(samples) else {
            throw ValidationError("--samples must be 1 to 10000.")
        }
        guard ttl.duration >= .milliseconds(10) else {
            throw ValidationError("--ttl must be at least 10ms.")
        }
    }

    func run() async throws {
        let disk = try directory.map { folder in
            do {
                return try DiskProbe(folder: folder, count: samples * 4)
            } catch let failure as RunFailure {
                Console.complain("latchctl: \(failure.message)")
                throw Exit.failure
            }
        }
        try await cluster.withCluster { cluster in
            var report = DoctorReport(ttl: ttl.duration)
            report.disk = disk.flatMap { Spread($0.samples) }
            for endpoint in cluster.endpoints {
                report.nodes.append(await measure(endpoint))
            }
            report.write = Spread(try await measureWrites(cluster))
            let diagnosis = Diagnosis(
                ttl: ttl.duration, renewal: report.write, disk: report.disk)
            Console.say(
                json
                    ? try latchctl.json(DoctorJSON(report, diagnosis), pretty: true)
                    : doctorText(report, diagnosis, .output))
            if diagnosis.worst != .good || report.nodes.contains(where: { $0.spread == nil }) {
                throw Exit.unhealthy
            }
        }
    }

    private func measure(_ endpoint: Endpoint) async -> DoctorReport.Node {
        do {
            let single = try LatchCluster(endpoints: [endpoint.description])
            var spans: [Duration] = []
            do {
                // The first call connects.
                _ = try await single.nodeStatus()
                for _ in 0..<samples {
                    let start = ContinuousClock.now
                    _ = try await single.nodeStatus()
                    spans.append(ContinuousClock.now - start)
                }
            } catch {
                await single.shutdown()
                throw error
            }
            await single.shutdown()
            return DoctorReport.Node(address: endpoint.description, spread: Spread(spans))
        } catch {
            return DoctorReport.Node(
                address: endpoint.description, spread: nil,
                failure: (error as? LatchError)?.message ?? "\(error)")
        }
    }

    private func measureWrites(_ cluster: LatchCluster) async throws -> [Duration] {
        // Another doctor at work has a latch of its own.
        let name = "latchctl-doctor-" + randomDigits()
        var spans: [Duration] = []
        do {
            for _ in 0..<max(5, samples / 5) {
                let hold = try await cluster.hold(name, ttl: .seconds(10))
                let start = ContinuousClock.now
                try await hold.leave()
                spans.append(ContinuousClock.now - start)
            }
        } catch {
            try? await cluster.delete(name)
            throw error
        }
        // If only that fails, nothing is wrong with what was measured.
        try? await cluster.delete(name)
        return spans
    }
}

/// What was measured.
struct DoctorReport {
    struct Node {
        let address: String
        let spread: Spread?
        var failure: String?
    }

    let ttl: Duration
    var nodes: [Node] = []
    var write: Spread?
    var disk: Spread?
}

/// The report for people.
func doctorText(
    _ report: DoctorReport, _ diagnosis: Diagnosis, _ paint: Paint = .none
) -> String {
    var lines = report.nodes.map { node in
        "node \(node.address)  "
            + (node.spread?.text ?? paint("NO ANSWER: \(node.failure ?? "")", .bad))
    }
    if let write = report.write { lines.append("a write  \(write.text) (\(write.count) times)") }
    if let disk = report.disk { lines.append("fsync    \(disk.text) (\(disk.count) times)") }
    lines.append("")
    lines += diagnosis.findings.map { finding in
        switch finding.level {
        case .good: paint("ok  ", .good) + " " + finding.text
        case .warning: paint("WARN", .doubtful) + " " + finding.text
        case .bad: paint("BAD ", .bad) + " " + finding.text
        }
    }
    lines += [
        "",
        """
        With a TTL of \(readable(report.ttl)), a holder that dies is followed within \
        \(readable(diagnosis.takeoverBound)) of its last renewal, and never before \
        \(readable(report.ttl)); if the cluster's leader dies with it, within \
        \(readable(diagnosis.takeoverBoundWithElection)) (TTL, tick, election, and the grace in which \
        clients find the new leader; with the nodes' default timeouts).
        """,
    ]
    return lines.joined(separator: "\n")
}

struct DoctorJSON: Encodable {
    struct Node: Encodable {
        let address: String
        let roundTrip: Spread?
        let failure: String?
    }

    struct Finding: Encodable {
        let level: String
        let text: String
    }

    let ttlMs: Int64
    let nodes: [Node]
    let write: Spread?
    let fsync: Spread?
    let takeoverBoundMs: Int64
    let takeoverBoundWithElectionMs: Int64
    let findings: [Finding]

    init(_ report: DoctorReport, _ diagnosis: Diagnosis) {
        ttlMs = milliseconds(report.ttl)
        nodes = report.nodes.map {
            Node(address: $0.address, roundTrip: $0.spread, failure: $0.failure)
        }
        write = report.write
        fsync = report.disk
        takeoverBoundMs = milliseconds(diagnosis.takeoverBound)
        takeoverBoundWithElectionMs = milliseconds(diagnosis.takeoverBoundWithElection)
        findings = diagnosis.findings.map { Finding(level: $0.level.rawValue, text: $0.text) }
    }
}
