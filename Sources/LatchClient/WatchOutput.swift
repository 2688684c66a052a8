import Synchronization

/// What a watch tells its reader, bounded: a reader that lags misses the oldest events, is told so,
/// and gets the newest state.
final class WatchOutput: Sendable {
    typealias Stream = AsyncThrowingStream<WatchEvent, any Error>

    /// Events that wait for the reader, at most.
    static let capacity = 256

    private let continuation: Stream.Continuation
    private let newest = Mutex<LatchInfo?>(nil)

    private init(_ continuation: Stream.Continuation) {
        self.continuation = continuation
    }

    /// An output and the stream that it feeds.
    static func make() -> (output: WatchOutput, stream: Stream) {
        let (stream, continuation) = Stream.makeStream(bufferingPolicy: .bufferingNewest(capacity))
        return (WatchOutput(continuation), stream)
    }

    /// A state was sent.
    var hasBegun: Bool { newest.withLock { $0 != nil } }

    /// Adds an event. If that pushes an older one out, the gap and the newest state follow it.
    func send(_ event: WatchEvent) {
        newest.withLock { newest in
            if case .state(let info) = event { newest = info }
            guard case .dropped = continuation.yield(event) else { return }
            continuation.yield(.resynchronized)
            if let newest { continuation.yield(.state(newest)) }
        }
    }

    func finish(throwing error: (any Error)?) {
        continuation.finish(throwing: error)
    }

    /// Sets what is done when the reader stops, or the output is finished.
    func onTermination(_ body: @escaping @Sendable () -> Void) {
        continuation.onTermination = { _ in body() }
    }
}
