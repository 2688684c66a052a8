import Foundation
import NIOCore
import NIOPosix
import Testing

@Suite("A node that is asked to stop")
struct StopTests {
    @Test("SIGTERM while somebody looks at the page: exit 0, and no line above info in the log")
    func silence() async throws {
        let latchd = try LatchdProcess(environment: [:])
        defer { latchd.kill() }
        let end = ContinuousClock.now + .seconds(20)
        while !latchd.output.contains("status site started"), ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(20))
        }
        // A connection that stays open between two questions, as a browser's does.
        let viewer = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: latchd.statusPort) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        try await viewer.executeThenClose { inbound, outbound in
            try await outbound.write(
                ByteBuffer(string: "GET /api/overview HTTP/1.1\r\nhost: x\r\n\r\n"))
            var (parts, answer) = (inbound.makeAsyncIterator(), "")
            while !answer.contains("\"members\""), let part = try await parts.next() {
                answer += String(buffer: part)
            }
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            latchd.terminate()
            #expect(latchd.exitCode() == 0)
            // The node's end is the connection's.
            while let _ = try? await parts.next() {}
        }
        // What it said at its start, of a cluster of one, does not count.
        let output = latchd.output
        let stopping = try #require(output.range(of: "stopping: handing leadership over"))
        #expect(output[stopping.upperBound...].contains("stopped"))
        let loud = output[stopping.upperBound...].split(separator: "\n").filter { line in
            let level = line.split(separator: " ").dropFirst().first
            return level != "info" && level != "notice"
        }
        #expect(loud == [])
    }
}
