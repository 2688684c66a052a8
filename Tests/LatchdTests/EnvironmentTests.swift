import Foundation
import LocalMachine
import NIOCore
import NIOPosix
import Testing

@Suite("A node in an awkward environment")
struct EnvironmentTests {
    /// The first line of the answer of a node's site; nil if there is none.
    private func answer(of latchd: LatchdProcess, _ path: String) async -> String? {
        let viewer = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: latchd.statusPort) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        let text = try? await viewer?.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: "GET \(path) HTTP/1.1\r\nhost: x\r\n\r\n"))
            var answer = ""
            for try await part in inbound {
                answer += String(buffer: part)
                if answer.contains("\r\n") { break }
            }
            return answer
        }
        return text?.components(separatedBy: "\r\n").first
    }

    private func poll(_ isDone: () async -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if await isDone() { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// A pipe that takes not one byte more.
    private func fullPipe() -> Pipe {
        let pipe = Pipe()
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        for count in [4_096, 1] {
            let bytes = [UInt8](repeating: 10, count: count)
            while write(descriptor, bytes, count) > 0 {}
        }
        // What the node inherits waits for its reader.
        _ = fcntl(descriptor, F_SETFL, 0)
        return pipe
    }

    @Test("nobody reads its log from the first line on: it serves, and stops when asked (P10, B45)")
    func blockedLog() async throws {
        let pipe = fullPipe()
        let latchd = try LatchdProcess(environment: [:], output: pipe.fileHandleForWriting)
        defer { latchd.kill() }
        let isReady = try await poll {
            await answer(of: latchd, "/readyz") == "HTTP/1.1 200 OK"
        }
        #expect(isReady)
        for _ in 0..<20 {
            #expect(await answer(of: latchd, "/api/node") == "HTTP/1.1 200 OK")
        }
        latchd.terminate()
        #expect(try await poll { !latchd.isRunning })
        latchd.kill()
        #expect(latchd.exitCode() == 0)
        withExtendedLifetime(pipe) {}
    }

    private static let odd = [
        "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati",
    ]

    /// What `latchd --check` prints of a shipped file.
    private func effectiveSettings(_ environment: [String: String]) throws -> String {
        let process = Process()
        process.executableURL = BuiltPrograms.latchd
        process.arguments = [
            "--config", Repository.root.appendingPathComponent("Config/node1.yaml").path, "--check",
        ]
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("neither language nor time zone changes what is read, printed or logged (O12)")
    func locale() async throws {
        let plain = try effectiveSettings(["LC_ALL": "C", "TZ": "UTC"])
        #expect(plain.contains("election_timeout"))
        #expect(try effectiveSettings(Self.odd) == plain)

        let latchd = try LatchdProcess(environment: Self.odd)
        defer { latchd.kill() }
        #expect(try await poll { latchd.output.contains("node started") })
        let line = try #require(latchd.output.split(separator: "\n").last)
        let stamp = String(line.prefix { $0 != " " })
        let time = try Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(stamp)
        #expect(abs(time.timeIntervalSinceNow) < 60, "\(stamp) is not the time in UTC")
    }
}
