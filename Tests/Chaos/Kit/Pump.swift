import NIOCore

/// The bytes that wait in one direction of a connection, each with the time it may pass.
final class Pump {
    private var waiting: CircularBuffer<(due: NIODeadline, bytes: ByteBuffer)> = []
    private var size = 0
    /// When the bytes that the bandwidth allows were last counted, and what is left of them.
    private var counted = NIODeadline.now()
    private var allowance = 0
    var destination: (any Channel)?
    var isScheduled = false

    private static let capacity = 128 * 1024

    var hasBytes: Bool { size > 0 }
    var hasRoom: Bool { size < Self.capacity }

    func append(_ bytes: ByteBuffer, delayMilliseconds: Int) {
        size += bytes.readableBytes
        // Jitter never changes the order: TCP would not either.
        let due = max(
            NIODeadline.now() + .milliseconds(Int64(delayMilliseconds)),
            waiting.last?.due ?? NIODeadline.uptimeNanoseconds(0))
        waiting.append((due, bytes))
    }

    /// An integer at an offset of what has come so far; nil while there are too few bytes.
    func peek<Value: FixedWidthInteger>(at offset: Int) -> Value? {
        var all = ByteBuffer()
        for (_, bytes) in waiting { all.writeImmutableBuffer(bytes) }
        return all.getInteger(at: offset)
    }

    /// Sends what the policy lets pass now; returns how many bytes.
    func send(under policy: LinkPolicy) -> Int {
        let now = NIODeadline.now()
        refill(policy, now)
        guard let destination, !policy.isSilent else { return 0 }
        var sent = 0
        while let first = waiting.first, first.due <= now {
            let most = policy.bytesPerSecond == nil ? Int.max : allowance
            guard most > 0 else { break }
            if first.bytes.readableBytes <= most {
                waiting.removeFirst()
                sent += first.bytes.readableBytes
                allowance -= policy.bytesPerSecond == nil ? 0 : first.bytes.readableBytes
                destination.write(first.bytes, promise: nil)
            } else if let part = waiting[waiting.startIndex].bytes.readSlice(length: most) {
                sent += most
                allowance = 0
                destination.write(part, promise: nil)
            }
        }
        size -= sent
        if sent > 0 { destination.flush() }
        return sent
    }

    /// Half of the next bytes, for a connection that ends within a frame.
    func sendHalf() {
        guard let destination, let first = waiting.first else { return }
        let half = first.bytes.getSlice(
            at: first.bytes.readerIndex, length: first.bytes.readableBytes / 2)
        if let half { destination.writeAndFlush(half, promise: nil) }
    }

    private func refill(_ policy: LinkPolicy, _ now: NIODeadline) {
        guard let rate = policy.bytesPerSecond else { return counted = now }
        let earned = Int((now - counted).nanoseconds / 1_000) * rate / 1_000_000
        // Less than a byte is earned later, not lost.
        guard earned > 0 else { return }
        counted = now
        // No more than a tenth of a second's bytes are saved up.
        allowance = min(allowance + earned, max(rate / 10, 1))
    }
}
