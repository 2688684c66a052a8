import ClusterHarness
import Foundation
import LocalMachine
import Testing

@testable import latchctl

extension FailoverTests {
    @Suite("latchctl run as a process (D1)", .serialized)
    struct LatchctlRunTests {
        private func withRig(_ body: (RunRig) async throws -> Void) async throws {
            let rig = try RunRig(try await SharedCluster.get())
            do {
                try await body(rig)
            } catch {
                await rig.stop()
                throw error
            }
            await rig.stop()
        }

        @Test(
            "the command has the grant in its environment and in a file, which every renewal moves")
        func environment() async throws {
            try await withRig { rig in
                let command = """
                    echo "env $LATCHD_LATCH $LATCHD_NAMESPACE $LATCHD_PARTICIPANT $LATCHD_FENCING_TOKEN"
                    cat "$LATCHD_DEADLINE_FILE"
                    first=$(cat "$LATCHD_DEADLINE_FILE")
                    while [ "$first" = "$(cat "$LATCHD_DEADLINE_FILE")" ]; do sleep 0.05; done
                    echo moved "$LATCHD_DEADLINE_FILE"; exit 7
                    """
                let (code, text) = try await rig.run([
                    "env job", "--participant", "me", "--ttl", "1s", "--", "sh", "-c", command,
                ])
                #expect(code == 7, "\(text)")
                #expect(text.contains("env env job default me "), "\(text)")
                #expect(text.contains("\"fencing_token\" : \""), "\(text)")
                let path = try #require(
                    text.split(separator: "moved ").last?.split(separator: "\n").first)
                #expect(!FileManager.default.fileExists(atPath: String(path)))
                // The budget is told before anything is done.
                #expect(text.contains("SIGTERM after 648 ms, SIGKILL after 898 ms"), "\(text)")
            }
        }

        @Test("exit codes: the command's own, 128 + n, 126, 127, 123, 124 and 122")
        func exitCodes() async throws {
            try await withRig { rig in
                func code(_ arguments: [String]) async throws -> Int32 {
                    try await rig.run(arguments).code
                }
                try await #expect(code(["codes", "--", "true"]) == 0)
                try await #expect(code(["codes", "--", "sh", "-c", "kill -TERM $$"]) == 143)
                try await #expect(code(["codes", "--", "/etc/passwd"]) == 126)
                try await #expect(code(["codes", "--", "no-such-command"]) == 127)
                let holder = try rig.start(["codes", "--ttl", "2s", "--", "sleep", "60"])
                try await rig.wait(for: "the command runs", in: holder)
                for once in [["--if-free"], ["--once"], ["--wait", "0s"]] {
                    try await #expect(code(["codes"] + once + ["--", "true"]) == 123)
                }
                try await #expect(code(["codes", "--wait", "300ms", "--", "true"]) == 124)
                // Passed on to the command, whose end is latchctl's.
                holder.send(SIGTERM)
                let end = try await eventually("the end of the holder") { holder.exitCode }
                #expect(end == 143)
                let nobody = try rig.start(
                    ["codes", "--timeout", "500ms", "--", "true"], endpoints: ["127.0.0.1:1"])
                let refused = try await eventually("the end") { nobody.exitCode }
                #expect(refused == 122)
                try await #expect(code(["codes", "--once", "--", "true"]) == 0)
                try await #expect(code(["codes", "--wait", "0s", "--", "true"]) == 0)
            }
        }

        @Test("latchctl stopped: jeopardy is told, and the command is gone before the deadline")
        func stopped() async throws {
            try await withRig { rig in
                let told = rig.folder.appendingPathComponent("jeopardy")
                let process = try rig.start([
                    "stop", "--ttl", "2s", "--on-jeopardy", "touch '\(told.path)'", "--",
                    "sh", rig.script.path, rig.folder.path,
                ])
                _ = try await eventually("beats") { try rig.beats().count > 3 ? true : nil }
                let stoppedAt = BootTime.now
                process.send(SIGSTOP)
                let guardID = try rig.guardProcess(of: process)
                _ = try await eventually("the end of the command") {
                    try Descendants(of: guardID).entries.isEmpty ? true : nil
                }
                let last = try #require(try rig.beats().map(\.time).max())
                let took = last - Double(stoppedAt.nanoseconds) / 1e9
                #expect(took < 2.0, "\(took) s")
                #expect(FileManager.default.fileExists(atPath: told.path))
                process.send(SIGCONT)
                let code = try await eventually("the end") { process.exitCode }
                #expect(code == RunExit.lost, "\(process.output)")
                #expect(process.output.contains("JEOPARDY"))
                try #expect(rig.beats().contains { $0.kind == "term" })
            }
        }

        @Test(
            "latchctl killed: its guard, stopped or not, ends the command and what left its group",
            arguments: [false, true])
        func killed(isGuardStopped: Bool) async throws {
            try await withRig { rig in
                let process = try rig.start([
                    "kill", "--ttl", "4s", "--kill-grace", "500ms", "--",
                    "sh", rig.script.path, rig.folder.path,
                ])
                _ = try await eventually("beats") { try rig.beats().count > 3 ? true : nil }
                let guardID = try rig.guardProcess(of: process)
                #expect(try Descendants(of: guardID).entries.count >= 2)
                if isGuardStopped {
                    // latchctl first: it would let the guard go on.
                    process.send(SIGSTOP)
                    kill(guardID, SIGSTOP)
                }
                process.kill()
                _ = try await eventually("the end of the guard", within: 5) {
                    kill(guardID, 0) != 0 ? true : nil
                }
                #expect(rig.isDeserted())
            }
        }

        @Test("the guard killed under processes that hop from session to session: none is left")
        func hopping() async throws {
            try await withRig { rig in
                let hop = rig.folder.appendingPathComponent("hop")
                try "echo x >> \"$1/hops\"; setsid sh \"$1/hop\" \"$1\" &"
                    .write(to: hop, atomically: true, encoding: .utf8)
                let command = """
                    exec 9>>"$1/lock"; flock -s 9; setsid sh "$1/hop" "$1" & exec sleep 600
                    """
                for _ in 0..<5 {
                    try? FileManager.default.removeItem(
                        at: rig.folder.appendingPathComponent("hops"))
                    let process = try rig.start([
                        "hop", "--ttl", "2s", "--", "sh", "-c", command, "sh", rig.folder.path,
                    ])
                    _ = try await eventually("hops") {
                        let hops = rig.folder.appendingPathComponent("hops")
                        return try Data(contentsOf: hops).count > 8 ? true : nil
                    }
                    kill(try rig.guardProcess(of: process), SIGKILL)
                    let code = try await eventually("the end") { process.exitCode }
                    #expect(rig.isDeserted())
                    #expect(code == RunExit.failure, "\(process.output)")
                }
            }
        }

        @Test("children that latchctl did not start are told of, and stay")
        func foreignChildren() async throws {
            try await withRig { rig in
                let latchctl = BuiltPrograms.latchctl.path
                let process = try NodeProcess(
                    binary: URL(fileURLWithPath: "/bin/sh"),
                    arguments: [
                        "-c", "(sleep 3; echo stayed >> \"$0\") & exec \"$@\"",
                        rig.log.path, latchctl, "run", "--endpoints",
                        rig.cluster.endpoints.joined(separator: ","), "foreign", "--", "true",
                    ], log: rig.folder.appendingPathComponent("foreign.log"))
                let code = try await eventually("the end") { process.exitCode }
                #expect(code == 0, "\(process.output)")
                #expect(process.output.contains("did not start"), "\(process.output)")
                _ = try await eventually("the other child's work") {
                    try String(contentsOf: rig.log, encoding: .utf8) == "stayed\n" ? true : nil
                }
            }
        }

        /// The end of a `latchctl run` that a shell becomes after `preparation`, in which
        /// `$dir` is the rig's folder. `redirection` is that of latchctl.
        private func run(
            after preparation: String, redirection: String = "", _ arguments: [String],
            in rig: RunRig
        ) async throws -> (code: Int32, text: String) {
            let latchctl = BuiltPrograms.latchctl.path
            let process = try NodeProcess(
                binary: URL(fileURLWithPath: "/bin/sh"),
                arguments: [
                    "-c", "dir=$1; shift; \(preparation); exec \"$@\" \(redirection)", "sh",
                    rig.folder.path, latchctl, "run", "--endpoints",
                    rig.cluster.endpoints.joined(separator: ","),
                ] + arguments, log: rig.folder.appendingPathComponent("prepared.log"))
            do {
                let code = try await eventually("the end of latchctl run") { process.exitCode }
                return (code, process.output)
            } catch {
                process.kill()
                throw ClusterFailure(cause: error, logs: process.output)
            }
        }

        /// Ends with 7 when its latch was renewed three times.
        private static let renewed = [
            "--ttl", "1s", "--", "sh", "-c",
            """
            for number in 1 2 3; do
              last=$(cat "$LATCHD_DEADLINE_FILE")
              while [ "$last" = "$(cat "$LATCHD_DEADLINE_FILE")" ]; do sleep 0.05; done
            done; exit 7
            """,
        ]

        @Test(
            "nobody reads what latchctl says: the command runs on, and the latch is renewed",
            arguments: [
                // The reader has left.
                "mkfifo \"$dir/pipe\"; exec 3<>\"$dir/pipe\" 4>\"$dir/pipe\" 3<&-",
                // The reader does not read, and the pipe is full.
                """
                mkfifo "$dir/pipe"; exec 3<>"$dir/pipe" 4>"$dir/pipe"
                dd if=/dev/zero of="$dir/pipe" bs=4096 oflag=nonblock conv=notrunc
                """,
            ])
        func unread(preparation: String) async throws {
            try await withRig { rig in
                let (code, text) = try await run(
                    after: preparation, redirection: "2>&4", ["unread"] + Self.renewed, in: rig)
                #expect(code == 7, "\(text)")
            }
        }

        @Test("the command and its watchdog get the user's descriptors, and none of latchctl's")
        func descriptors() async throws {
            try await withRig { rig in
                func listing(_ name: String, _ pid: String) -> String {
                    "for file in /proc/\(pid)/fd/*; do echo \(name) $(readlink $file); done"
                }
                let command = "\(listing("command", "$$")); \(listing("guard", "$PPID"))"
                let (code, text) = try await run(
                    after: "exec 9>>\"$dir/lock\"; \(listing("before", "$$"))",
                    ["descriptors", "--", "sh", "-c", command], in: rig)
                #expect(code == 0, "\(text)")
                func targets(of name: String) -> [Substring] {
                    text.split(separator: "\n").compactMap { line in
                        line.hasPrefix(name + " ") ? line.dropFirst(name.count + 1) : nil
                    }
                }
                let before = targets(of: "before")
                for name in ["command", "guard"] {
                    let found = targets(of: name)
                    #expect(found.contains { $0.hasSuffix("/lock") }, "\(text)")
                    #expect(!found.contains { $0.contains("eventpoll") }, "\(text)")
                    let sockets = found.filter { $0.hasPrefix("socket:") }
                    #expect(Set(sockets).isSubset(of: before), "\(text)")
                }
            }
        }

        @Test("the guard stopped: it goes on; killed: latchctl kills everything and says so")
        func guardAttacked() async throws {
            try await withRig { rig in
                let process = try rig.start([
                    "guard", "--ttl", "2s", "--", "sh", rig.script.path, rig.folder.path,
                ])
                _ = try await eventually("beats") { try rig.beats().count > 3 ? true : nil }
                let guardID = try rig.guardProcess(of: process)
                kill(guardID, SIGSTOP)
                _ = try await eventually("the guard goes on") {
                    let stat = try String(contentsOfFile: "/proc/\(guardID)/stat", encoding: .utf8)
                    return stat.contains(") T ") ? nil : true
                }
                kill(guardID, SIGKILL)
                let code = try await eventually("the end") { process.exitCode }
                #expect(code == RunExit.failure, "\(process.output)")
                #expect(rig.isDeserted())
            }
        }

        @Test("what a command leaves behind is ended before the latch is left")
        func leftBehind() async throws {
            try await withRig { rig in
                let (code, text) = try await rig.run([
                    "left", "--ttl", "2s", "--", "sh", "-c", "setsid sleep 600 & exit 3",
                ])
                #expect(code == 3)
                #expect(text.contains("left processes behind"), "\(text)")
                let next = try await rig.run(["left", "--if-free", "--", "true"])
                #expect(next.code == 0, "\(next.text)")
            }
        }

        @Test("the link of the holder cut: the command is ended, and --retry runs it again")
        func cutLink() async throws {
            try await withRig { rig in
                let links = try await rig.links(of: 1)
                let process = try rig.start(
                    [
                        "cut", "--retry", "--ttl", "1s", "--", "sh", rig.script.path,
                        rig.folder.path,
                    ],
                    endpoints: links)
                _ = try await eventually("beats") { try rig.beats().count > 3 ? true : nil }
                rig.cut(1, true)
                try await rig.wait(for: "LOST", in: process)
                rig.cut(1, false)
                _ = try await eventually("a second run") {
                    try Set(rig.beats().map(\.token)).count == 2 ? true : nil
                }
                process.send(SIGTERM)
                let code = try await eventually("the end") { process.exitCode }
                #expect(code == 0, "\(process.output)")
                try #expect(!rig.beats().contains { $0.kind == "overlap" })
            }
        }
    }
}
