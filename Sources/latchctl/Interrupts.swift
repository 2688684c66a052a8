import Dispatch
import Foundation
import Synchronization

/// SIGINT and SIGTERM: the first asks the command to end well, the second ends the process at once.
final class Interrupts: Sendable {
    private let stream: AsyncStream<Void>
    private let output: AsyncStream<Void>.Continuation
    private let count = Mutex(0)
    /// The handlers keep the sources alive, and this object: both are needed until
    /// the process ends.
    init() {
        (stream, output) = AsyncStream<Void>.makeStream()
        for number in [SIGINT, SIGTERM] {
            // The source sees the signal beside its disposition, which must not end the process.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                self.note()
                withExtendedLifetime(source) {}
            }
            source.resume()
        }
    }

    private func note() {
        let seen = count.withLock { count in
            count += 1
            return count
        }
        if seen > 1 { exit(Exit.interrupted) }
        output.yield()
    }

    /// Returns at the first signal, or when the task is cancelled.
    func first() async {
        for await _ in stream { return }
    }
}
