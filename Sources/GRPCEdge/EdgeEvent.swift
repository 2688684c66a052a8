import NIOCore
import Synchronization

/// Something at the edge that an operator may want to read in a log. Rate limited.
package enum EdgeEvent: Sendable, Equatable {
    /// A connection was closed at once, since `limit` connections were open, of its address or of
    /// all.
    case connectionRefused(limit: Int)
    /// A connection was closed because its peer broke the protocol or a limit.
    case hostilePeer(reason: String, address: String)
    /// A connection was closed because its peer answered no ping.
    case silentPeer(address: String)
    /// A connection failed below HTTP/2, in TLS for instance.
    case connectionFailed(reason: String, address: String)
    /// The drain ended with calls still open; they were answered UNAVAILABLE.
    case drainCut(openCalls: Int)
    /// So many events were left out before this one, because too many came at once.
    case suppressed(count: Int)
}

/// Lets at most ten events a second through and counts the others.
final class EventGate: Sendable {
    private struct State {
        var second: Int64 = 0
        var passed = 0
        var suppressed = 0
    }

    private static let maximumPerSecond = 10
    private let state = Mutex(State())
    private let sink: @Sendable (EdgeEvent) -> Void

    init(_ sink: @escaping @Sendable (EdgeEvent) -> Void) {
        self.sink = sink
    }

    func report(_ event: EdgeEvent) {
        let second = Int64(NIODeadline.now().uptimeNanoseconds / 1_000_000_000)
        let suppressedBefore: Int? = state.withLock { state in
            if state.second != second {
                state.second = second
                state.passed = 0
            }
            guard state.passed < Self.maximumPerSecond else {
                state.suppressed += 1
                return nil
            }
            state.passed += 1
            defer { state.suppressed = 0 }
            return state.suppressed
        }
        guard let suppressedBefore else { return }
        if suppressedBefore > 0 { sink(.suppressed(count: suppressedBefore)) }
        sink(event)
    }
}
