import Foundation
import RaftCore

/// Steps on their way to the writer thread. The node's loop adds without waiting for the disk; the
/// writer takes everything there is and sleeps while there is nothing.
///
/// `@unchecked Sendable`: every property is touched only while `condition` is locked.
final class PersistQueue: @unchecked Sendable {
    private enum Phase {
        /// Steps are taken in.
        case open
        /// No more steps; those here are still written.
        case closing
        /// The writer is gone, or never came.
        case finished
    }

    private let condition = NSCondition()
    private var phase = Phase.open
    private var waiting: [Persist] = []
    private var inFlight = 0
    private var isWriterAsleep = false

    private func locked<Result>(_ body: () -> Result) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return body()
    }

    /// Steps that are not yet durable.
    var count: Int { locked { waiting.count + inFlight } }

    /// True if the writer would find something to take.
    var hasWaiting: Bool { locked { !waiting.isEmpty } }

    /// Adds a step; after a close or a failure it is dropped, and never acknowledged.
    func add(_ persist: Persist) {
        let mustWake = locked {
            guard phase == .open else { return false }
            waiting.append(persist)
            defer { isWriterAsleep = false }
            return isWriterAsleep
        }
        // Outside the lock: the writer would wake up only to wait for it.
        if mustWake { condition.broadcast() }
    }

    /// Takes all steps, waiting for the first; nil when the queue is closed and empty.
    func takeAll() -> [Persist]? {
        locked {
            inFlight = 0
            while waiting.isEmpty, phase == .open {
                isWriterAsleep = true
                condition.wait()
            }
            isWriterAsleep = false
            guard !waiting.isEmpty else { return nil }
            let taken = waiting
            waiting = []
            inFlight = taken.count
            return taken
        }
    }

    /// Takes in nothing more. The writer ends once it has written what is here.
    func close() {
        locked {
            if phase == .open { phase = .closing }
            condition.broadcast()
        }
    }

    /// Says that nothing will be taken any more; drops what is here.
    func finish() {
        locked {
            phase = .finished
            waiting = []
            inFlight = 0
            condition.broadcast()
        }
    }

    /// Blocks until ``finish()``.
    func waitUntilFinished() {
        locked {
            while phase != .finished { condition.wait() }
        }
    }
}
