import ClusterHarness
import Foundation
import SeededRandom
import Testing

@testable import latchctl

extension FailoverTests {
    @Suite("latchctl run under faults (D1)", .serialized)
    struct LatchctlRunChaosTests {
        /// Environment: how many faults (default 8) with which seed.
        private static func number(_ name: String, _ standard: UInt64) -> UInt64 {
            ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? standard
        }

        @Test("faults at random moments of the holder: never two commands alive at once")
        func neverTwo() async throws {
            let rounds = Self.number("LATCHCTL_RUN_ROUNDS", 8)
            let seed = Self.number("LATCHCTL_RUN_SEED", 1)
            let cluster = try await SharedCluster.get()
            let contest = try await Contest(RunRig(cluster), seed: seed)
            do {
                for _ in 0..<rounds { try await contest.round() }
                try await contest.end()
            } catch {
                throw ClusterFailure(cause: error, logs: await contest.story())
            }
            print(try await contest.summary())
        }
    }
}

/// Three `latchctl run --retry` of one latch, and faults.
private actor Contest {
    private enum Fault: String, CaseIterable {
        case cutLink = "link cut"
        case stop = "SIGSTOP"
        case kill = "SIGKILL"
        case cutAndStop = "link cut, then SIGSTOP"
        case stopGuard = "guard SIGSTOP"
        case killGuard = "guard SIGKILL"
        case stopLeader = "leading node SIGSTOP"
    }

    static let ttl: UInt64 = 1_000

    private let rig: RunRig
    private var random: SplitMix
    private var links: [Int: [String]] = [:]
    private var processes: [Int: NodeProcess] = [:]
    private var faults: [Fault: Int] = [:]
    private var log: [String] = []

    init(_ rig: RunRig, seed: UInt64) async throws {
        self.rig = rig
        random = SplitMix(seed: seed)
        for number in 1...3 {
            links[number] = try await rig.links(of: number)
            try start(number)
        }
    }

    private func start(_ number: Int) throws {
        processes[number] = try rig.start(
            [
                "contest", "--retry", "--participant", "c\(number)", "--ttl", "\(Self.ttl)ms", "--",
                "sh", rig.script.path, rig.folder.path,
            ], endpoints: links[number])
    }

    /// The contender whose command beat last, within the last fifth of a second.
    private func holder() throws -> (number: Int, token: UInt64)? {
        let now = Double(BootTime.now.nanoseconds) / 1e9
        guard let last = try rig.beats().last(where: { $0.kind != "term" }), now - last.time < 0.2,
            let number = Int(last.participant.dropFirst())
        else { return nil }
        return (number, last.token)
    }

    func round() async throws {
        let (number, token) = try await eventually("a command that runs", within: 20) {
            try holder()
        }
        try await pause(random.next(below: Self.ttl))
        let fault = Fault.allCases[Int(random.next(below: UInt64(Fault.allCases.count)))]
        let span = 200 + random.next(below: 2 * Self.ttl)
        faults[fault, default: 0] += 1
        log.append("token \(token) c\(number): \(fault.rawValue) for \(span) ms")
        guard let process = processes[number] else { return }
        switch fault {
        case .cutLink:
            rig.cut(number, true)
            try await pause(span)
            rig.cut(number, false)
        case .stop:
            process.send(SIGSTOP)
            try await pause(span)
            process.send(SIGCONT)
        case .kill:
            process.kill()
            try start(number)
        case .cutAndStop:
            rig.cut(number, true)
            try await pause(span / 2)
            process.send(SIGSTOP)
            try await pause(span / 2)
            rig.cut(number, false)
            process.send(SIGCONT)
        case .stopGuard, .killGuard:
            guard let guardID = try? rig.guardProcess(of: process) else { return }
            kill(guardID, fault == .killGuard ? SIGKILL : SIGSTOP)
        case .stopLeader:
            let leader = try await rig.cluster.leader()
            await rig.cluster.signal(leader, SIGSTOP)
            try await pause(span)
            await rig.cluster.signal(leader, SIGCONT)
        }
        try restartEnded()
    }

    /// Whoever ended (its guard was killed) takes part again.
    private func restartEnded() throws {
        for (number, process) in processes {
            guard let code = process.exitCode else { continue }
            #expect(code == RunExit.failure, "\(process.output)")
            try start(number)
        }
    }

    private func pause(_ milliseconds: UInt64) async throws {
        try await Task.sleep(for: .milliseconds(Int64(milliseconds)))
    }

    func end() async throws {
        for process in processes.values { process.send(SIGCONT) }
        for process in processes.values {
            process.send(SIGTERM)
            _ = try await eventually("the end of a contender") { process.exitCode }
        }
        await rig.stop()
        let beats = try rig.beats()
        #expect(!beats.contains { $0.kind == "overlap" }, "\(story())")
        var last: (token: UInt64, time: Double) = (0, 0)
        for (token, group) in Dictionary(grouping: beats, by: \.token).sorted(by: {
            $0.key < $1.key
        }) {
            let begin = group.map(\.time).min() ?? 0
            #expect(
                begin >= last.time, "\(token) began at \(begin), \(last) still beat\n\(story())")
            last = (token, group.map(\.time).max() ?? 0)
        }
    }

    func story() -> String {
        let outputs = processes.sorted { $0.key < $1.key }.map {
            "--- c\($0.key)\n\($0.value.output)"
        }
        return (log + outputs).joined(separator: "\n")
    }

    func summary() throws -> String {
        let beats = try rig.beats()
        let runs = Set(beats.map(\.token)).count
        let kinds = faults.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { "\($0.value) x \($0.key.rawValue)" }.joined(separator: ", ")
        return "latchctl run: \(faults.values.reduce(0, +)) faults (\(kinds)), \(runs) commands, "
            + "\(beats.count) beats, \(beats.count { $0.kind == "overlap" }) overlaps"
    }
}
