import Foundation
import Synchronization

/// What happened when, one line each, in milliseconds since the run began.
package final class Timeline: Sendable {
    package let start = ContinuousClock.now
    private let lines = Mutex<[String]>([])
    private let prints: Bool

    package init(prints: Bool = false) { self.prints = prints }

    package func note(_ text: String) {
        let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
        let time = String(Int(milliseconds))
        let line = String(repeating: " ", count: max(0, 8 - time.count)) + time + "  " + text
        lines.withLock { $0.append(line) }
        guard prints else { return }
        print(line)
        // Also into a file: a long run is looked at while it lasts.
        fflush(nil)
    }

    package var text: String {
        lines.withLock { $0.joined(separator: "\n") + "\n" }
    }
}
