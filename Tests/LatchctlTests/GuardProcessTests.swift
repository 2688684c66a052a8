import Foundation
import LocalMachine
import Testing

@testable import latchctl

/// Real guards of real commands, without a cluster: what a guard does, it does alone.
@Suite("A guard as a process", .timeLimit(.minutes(1)))
struct GuardProcessTests {
    /// The latchctl that was built beside these tests.
    private static let program = BuiltPrograms.latchctl.path

    /// A folder with a file that every process of a command keeps locked until it is dead.
    private struct Place {
        let folder: URL

        init() throws {
            folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("guard-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }

        func remove() { try? FileManager.default.removeItem(at: folder) }

        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

        func text(_ name: String) -> String {
            (try? String(contentsOfFile: path(name), encoding: .utf8)) ?? ""
        }

        /// No process has the file locked.
        func isDeserted() -> Bool {
            let lock = open(path("lock"), O_RDWR)
            defer { close(lock) }
            return lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0
        }
    }

    private func withPlace(_ body: (Place) async throws -> Void) async throws {
        let place = try Place()
        defer { place.remove() }
        try await body(place)
    }

    /// A guard of a shell script, whose `$1` is the place; it has locked the file at its start.
    private func start(
        _ script: String, at place: Place, timing: GuardTiming, lasting life: Duration,
        program: String = Self.program
    ) throws -> GuardLink {
        let words = ["sh", "-c", "exec 9>>\"$1/lock\"; flock -s 9; " + script, "sh"]
        return try GuardLink(
            timing: timing, deadline: .now + life, terminalGroup: 0, jeopardyCommand: [],
            command: (words + [place.folder.path]).map(cString), environment: [:],
            defaultSignals: [], program: program)
    }

    private static let timing = GuardTiming(
        killGrace: .milliseconds(200), margin: .milliseconds(500), jeopardyLead: .seconds(1))

    private func poll(_ condition: () -> Bool) async throws {
        while !condition() { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Processes that nobody can keep hold of: each lives for a moment, in a session of its own,
    /// and starts the next one before it ends. None minds SIGTERM.
    private static let hopper = """
        trap "" TERM HUP
        echo 'echo x >> "$1/hops"; setsid sh "$1/hop" "$1" &' > "$1/hop"
        : > "$1/hops"
        setsid sh "$1/hop" "$1" &
        until [ "$(wc -c < "$1/hops")" -gt 8 ]; do sleep 0.01; done
        exit 3
        """

    @Test("processes that hop from session to session: gone is said when none is left, not before")
    func hopping() async throws {
        for round in 0..<10 {
            try await withPlace { place in
                let link = try start(
                    Self.hopper, at: place, timing: Self.timing, lasting: .seconds(30))
                var reports: [GuardReport] = []
                for await report in link.reports {
                    reports.append(report)
                    if report == .gone { #expect(place.isDeserted(), "round \(round)") }
                }
                link.end()
                #expect(reports.contains(.exited(.exited(3))), "\(reports)")
                #expect(reports.last == .gone, "\(reports)")
            }
        }
    }

    @Test("a stopped command whose children left its session: all are gone before the deadline")
    func stopped() async throws {
        try await withPlace { place in
            let deadline = BootTime.now + .seconds(2)
            let link = try start(
                """
                trap '' TERM; setsid sleep 600 & setsid sh -c 'setsid sleep 600 & exit' &
                kill -STOP $$; while :; do sleep 0.05; done
                """, at: place, timing: Self.timing, lasting: .seconds(2))
            var reports: [GuardReport] = []
            for await report in link.reports {
                reports.append(report)
                guard report == .gone else { continue }
                #expect(BootTime.now < deadline)
                #expect(place.isDeserted())
            }
            link.end()
            #expect(
                reports.dropFirst() == [
                    .jeopardy, .ending(.deadline), .exited(.signaled(SIGKILL)), .gone,
                ])
        }
    }

    @Test("SIGTERM comes once to each process, within the group and without")
    func termOnce() async throws {
        try await withPlace { place in
            let counter = """
                trap 'echo x >> "$1/terms"' TERM
                echo x >> "$1/ready"
                while :; do sleep 0.02; done
                """
            try counter.write(toFile: place.path("counter"), atomically: true, encoding: .utf8)
            let run = "sh \"$1/counter\" \"$1\""
            // On a busy machine a shell takes its time for a trap.
            var timing = Self.timing
            timing.killGrace = .seconds(2)
            let link = try start(
                "\(run) & setsid \(run) & exec \(run)", at: place, timing: timing,
                lasting: .seconds(30))
            try await poll { place.text("ready").count == 6 }
            link.send(.end)
            for await _ in link.reports {}
            link.end()
            #expect(place.text("terms") == "x\nx\nx\n")
        }
    }

    @Test("whoever started it ignores SIGCHLD: the command's end is told, and it ignores nothing")
    func ignoredChildren() async throws {
        try await withPlace { place in
            let wrapper = place.path("wrapper")
            // Written by another process: one that a test starts while this one writes would have
            // the file open, too, and a file that is open for writing is not executed.
            let text = "#!/bin/sh\nexec env --ignore-signal=CHLD '\(Self.program)' \"$@\"\n"
            let written = try Program.run(
                URL(fileURLWithPath: "/bin/sh"),
                ["-c", "cat > \"$0\" && chmod 755 \"$0\"", wrapper], input: text)
            try #require(written.code == 0, "\(written.text)")
            let link = try start(
                "grep SigIgn /proc/$$/status > \"$1/ignored\"; exit 5", at: place,
                timing: Self.timing, lasting: .seconds(10), program: wrapper)
            var reports: [GuardReport] = []
            for await report in link.reports { reports.append(report) }
            link.end()
            #expect(reports.dropFirst() == [.exited(.exited(5)), .gone], "\(reports)")
            let mask = place.text("ignored").split(whereSeparator: \.isWhitespace).last
            let ignored = try #require(mask.flatMap { UInt64($0, radix: 16) })
            #expect(ignored & (1 << UInt64(SIGCHLD - 1)) == 0)
        }
    }

    @Test("SIGTERM is sent to nobody, and nobody is looked for, once SIGKILL is due")
    func lookingEnds() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["600"]
        try process.run()
        let pid = process.processIdentifier
        defer { process.waitUntilExit() }
        defer { kill(pid, SIGKILL) }
        // Others of these tests run meanwhile and are spared.
        try Descendants.signal([SIGTERM], until: .now) { $0.pid != pid }
        #expect(try Descendants(of: getpid(), until: .now).entries.isEmpty)
        #expect(try Descendants(of: getpid()).entries.contains { $0.pid == pid })
    }

    @Test("/proc cannot be read: that is told, the group is ended, and gone is not said too early")
    func blind() async throws {
        try await withPlace { place in
            let link = try start(
                """
                setsid sh -c 'echo x > "$1/ready"; exec sleep 600' sh "$1" &
                exec sleep 600
                """, at: place, timing: Self.timing, lasting: .seconds(30))
            try await poll { place.text("ready") != "" }
            // No more files can be opened; those that are open stay.
            try limitFiles(of: link.pid, to: 3)
            link.send(.end)
            var reports: [GuardReport] = []
            for await report in link.reports {
                reports.append(report)
                guard report == .exited(.signaled(SIGTERM)) else { continue }
                #expect(reports.contains(.blind(errno: EMFILE)), "\(reports)")
                // Well into the time of SIGKILL, which reaches nobody now.
                try await Task.sleep(for: Self.timing.killGrace * 2)
                #expect(!place.isDeserted())
                try limitFiles(of: link.pid, to: 1_024)
            }
            #expect(reports.last == .gone, "\(reports)")
            #expect(place.isDeserted())
            link.end()
        }
    }

    private func limitFiles(of pid: Int32, to count: Int) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
        process.arguments = ["--pid", "\(pid)", "--nofile=\(count):"]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test("a command that would begin after its deadline does not, and that is told apart")
    func tooLate() async throws {
        try await withPlace { place in
            let link = try start(
                "touch \"$1/ran\"", at: place, timing: Self.timing, lasting: .milliseconds(300))
            var reports: [GuardReport] = []
            for await report in link.reports { reports.append(report) }
            link.end()
            #expect(reports == [.late, .gone])
            #expect(access(place.path("ran"), F_OK) != 0)
        }
    }

    @Test("a guard that cannot be started: the message says what, why, and what to do")
    func notStarted() {
        func message(program: String, _ argument: String) -> String {
            let error = #expect(throws: RunFailure.self) {
                try GuardLink(
                    timing: Self.timing, deadline: .now + .seconds(10), terminalGroup: 0,
                    jeopardyCommand: [], command: ["true", argument].map(cString),
                    environment: [:], defaultSignals: [], program: program)
            }
            return error?.message ?? ""
        }
        let missing = message(program: "/no/such/program", "")
        for words in ["watchdog", "/no/such/program", "No such file", "/proc must be mounted"] {
            #expect(missing.contains(words), "\(missing)")
        }
        let long = message(program: Self.program, String(repeating: "x", count: 200_000))
        for words in ["watchdog", "Argument list too long", "shorten them"] {
            #expect(long.contains(words), "\(long)")
        }
    }

    // MARK: The process that becomes the command

    /// Its exit code, and what it reported.
    private func trampoline(
        startingBefore latestStart: BootTime, _ command: [String]
    ) throws -> (code: Int32, report: String) {
        let ends = try GuardLink.pipe()
        let trampoline = Trampoline(
            guardID: getpid(), latestStart: latestStart, report: ends.write, takesTerminal: false,
            command: command.map(cString))
        let (pid, error) = Spawn(
            path: Self.program, arguments: trampoline.arguments, kept: [ends.write]
        ).start()
        close(ends.write)
        defer { close(ends.read) }
        try #require(error == 0)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(ends.read, &bytes, bytes.count)
        return ((status >> 8) & 255, String(decoding: bytes[..<max(0, count)], as: UTF8.self))
    }

    @Test("the deadline is looked at just before the command begins")
    func trampolines() async throws {
        try await withPlace { place in
            let ran = place.path("ran")
            let late = try trampoline(startingBefore: .now, ["touch", ran])
            #expect(late.code == RunExit.lost && late.report == "late\n", "\(late)")
            #expect(access(ran, F_OK) != 0)
            let early = try trampoline(startingBefore: .now + .seconds(60), ["touch", ran])
            #expect(early.code == 0 && early.report == "", "\(early)")
            #expect(access(ran, F_OK) == 0)
        }
    }
}
