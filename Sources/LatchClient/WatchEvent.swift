import Synchronization

/// What a watch tells.
public enum WatchEvent: Sendable, Hashable {
    /// The latch's state. The first one is the state at the beginning. A latch that does not exist
    /// has no participants and the token 0.
    case state(LatchInfo)
    /// Changes may have been missed. The current state follows.
    case resynchronized
    /// The node that was watched through failed. The watch goes on through another; nothing is
    /// missed unless ``resynchronized`` follows.
    case interrupted(String)
}

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

    /// Tells what was seen of a latch, if it is something new.
    func send(_ observation: LatchObservation, of name: LatchName) {
        if observation.isReset { send(.resynchronized) }
        let latch =
            observation.latch
            ?? LatchInfo(
                namespace: name.namespace, name: name.name, term: 0, holder: nil, participants: [],
                fencingToken: 0, index: observation.index)
        let isNew = newest.withLock { $0.map { !$0.shows(latch) } ?? true }
        if isNew { send(.state(latch)) }
    }

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

extension LatchInfo {
    /// Whether `other` is the same but for the index. Ids are equal when their bytes are, as on the
    /// servers, which is less than what `==` of `String` calls equal.
    fileprivate func shows(_ other: LatchInfo) -> Bool {
        term == other.term && fencingToken == other.fencingToken
            && value.utf8.elementsEqual(other.value.utf8) && sessionIDs == other.sessionIDs
            && participants.elementsEqual(
                other.participants, by: { $0.utf8.elementsEqual($1.utf8) })
    }
}
