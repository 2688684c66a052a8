import Foundation
import Logging

/// Writes log lines to a file descriptor from a thread of its own.
///
/// `write` never waits for the reader of the descriptor: past `maximumBytes` of lines that nobody
/// has taken, new lines are dropped and counted, and the count is written once there is room again
/// (P10). Thread-safe.
final class LogSink: @unchecked Sendable {
    /// The process's log.
    static let standardError = LogSink(descriptor: FileHandle.standardError.fileDescriptor)

    private let descriptor: Int32
    private let maximumBytes: Int
    // All mutable state below is guarded by `condition`.
    private let condition = NSCondition()
    private var waiting: [[UInt8]] = []
    private var waitingBytes = 0
    /// Of the last line, for the notice about dropped ones.
    private var format = LogFormat.text
    private var isWriting = false
    private var isClosed = false
    private var droppedSinceNotice = 0
    private var droppedInAll = 0

    /// Starts the writer thread. The descriptor stays the caller's.
    init(descriptor: Int32, maximumBytes: Int = 1 << 20) {
        self.descriptor = descriptor
        self.maximumBytes = maximumBytes
        let thread = Thread { [self] in drain() }
        thread.name = "log"
        thread.start()
    }

    /// Lines lost so far because nobody read them.
    var droppedCount: Int {
        condition.lock()
        defer { condition.unlock() }
        return droppedInAll
    }

    /// Queues one line in the format that is told; a line feed is added.
    func write(_ line: String, format: LogFormat) {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return }
        self.format = format
        guard waitingBytes + bytes.count <= maximumBytes else {
            droppedSinceNotice += 1
            droppedInAll += 1
            return
        }
        waiting.append(bytes)
        waitingBytes += bytes.count
        condition.broadcast()
    }

    /// Waits until all lines are written, at most `seconds`. Returns whether they are.
    @discardableResult
    func flush(atMost seconds: Double = 1) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !waiting.isEmpty || isWriting {
            guard condition.wait(until: end) else { return waiting.isEmpty && !isWriting }
        }
        return true
    }

    /// Ends the thread once it has written what waits; later lines are ignored.
    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }

    private func notice() -> String {
        let line = format.line(
            milliseconds: LogFormat.wallMilliseconds(), level: .warning,
            message: "log lines were dropped: nobody read them in time",
            metadata: ["lines": .stringConvertible(droppedSinceNotice)])
        return line + "\n"
    }

    private func drain() {
        while let batch = nextBatch() {
            let isOpen = DescriptorWriter.write(batch, to: descriptor)
            condition.lock()
            isWriting = false
            if !isOpen { isClosed = true }
            condition.broadcast()
            condition.unlock()
        }
    }

    /// Waits for lines; nil when closed and empty.
    private func nextBatch() -> [UInt8]? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty {
            if isClosed { return nil }
            condition.wait()
        }
        var batch = Array(waiting.joined())
        if droppedSinceNotice > 0 {
            batch += Array(notice().utf8)
            droppedSinceNotice = 0
        }
        waiting.removeAll(keepingCapacity: true)
        waitingBytes = 0
        isWriting = true
        return batch
    }
}
