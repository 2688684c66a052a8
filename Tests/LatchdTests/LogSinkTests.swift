import Foundation
import Logging
import Testing

@testable import latchd

@Suite("The log's way out of the process")
struct LogSinkTests {
    private func sink(_ pipe: Pipe, maximumBytes: Int = 1 << 20) -> LogSink {
        LogSink(descriptor: pipe.fileHandleForWriting.fileDescriptor, maximumBytes: maximumBytes)
    }

    @Test("lines come out in order, and flush waits for them")
    func order() throws {
        let pipe = Pipe()
        let sink = sink(pipe)
        for number in 1...100 { sink.write("line \(number)", format: .text) }
        #expect(sink.flush(atMost: 10))
        sink.close()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text == (1...100).map { "line \($0)\n" }.joined())
    }

    /// Whole lines that came out, and lines that notices tell were lost.
    private func accounted(_ output: String) -> (lines: Int, told: Int) {
        let whole = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let notices = whole.filter { $0.hasPrefix("{") }
        let told = notices.compactMap { notice -> Int? in
            guard let object = try? JSONSerialization.jsonObject(with: Data(notice.utf8)),
                let fields = (object as? [String: Any])?["fields"] as? [String: String]
            else { return nil }
            return fields["lines"].flatMap { Int($0) }
        }
        return (whole.count - notices.count, told.reduce(0, +))
    }

    @Test("a pipe that nobody reads holds no writer up; what is lost is counted and told (P10)")
    func fullPipe() throws {
        let pipe = Pipe()
        let sink = sink(pipe, maximumBytes: 256 << 10)
        let line = String(repeating: "x", count: 999)
        let started = ContinuousClock.now
        for _ in 0..<2_000 { sink.write(line, format: .json) }
        #expect(ContinuousClock.now - started < .seconds(5))
        #expect(!sink.flush(atMost: 0.01))
        // A pipe holds 64 KiB, one batch of 256 is being written, one waits: most of 2 MB is lost.
        let dropped = sink.droppedCount
        #expect(dropped > 1_000)
        var output = ""
        let deadline = ContinuousClock.now + .seconds(20)
        // The notice may stand in the middle: lines that waited behind it come after it.
        while accounted(output).told + accounted(output).lines < 2_000,
            ContinuousClock.now < deadline
        {
            output += String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
        }
        #expect(accounted(output).told == dropped)
        #expect(accounted(output).lines == 2_000 - dropped)
        sink.close()
        #expect(sink.flush(atMost: 10))
        withExtendedLifetime(pipe) {}
    }

    @Test("the handler merges its own fields with the event's; the event's win")
    func handler() throws {
        let pipe = Pipe()
        let sink = sink(pipe)
        var settings = NodeConfiguration.Log()
        settings.level = .notice
        var logger = settings.logger(label: "latchd", sink: sink)
        logger[metadataKey: "server"] = "1"
        logger[metadataKey: "term"] = "1"
        logger.info("not shown")
        logger.notice("became leader", metadata: ["term": "2"])
        #expect(sink.flush(atMost: 10))
        sink.close()
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text.dropFirst(24) == " notice   became leader server=1 term=2\n")
    }
}
