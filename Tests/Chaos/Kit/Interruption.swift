import ClusterHarness
import Dispatch
import Foundation
import Synchronization

/// A run that is interrupted leaves no process, no mounted disk and no folder behind.
package enum Interruption {
    private static let sources = Mutex<[any DispatchSourceSignal]>([])

    /// SIGINT, SIGTERM and SIGHUP end what the run made, then this process, with 128 and the
    /// number of the signal. Asked for twice, it is as asked for once.
    package static func exitOnSignals() {
        sources.withLock { sources in
            guard sources.isEmpty else { return }
            for number in [SIGINT, SIGTERM, SIGHUP] {
                // Nodes inherit what is ignored, and must heed SIGTERM: a handler is not inherited.
                signal(number) { _ in }
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { end(by: number) }
                source.resume()
                sources.append(source)
            }
        }
    }

    private static func end(by number: Int32) {
        print("interrupted by signal \(number): no verdict")
        AtExit.cleanUp()
        fflush(nil)
        // Not `exit`: other threads still work, on what destructors would take from them.
        _exit(128 + number)
    }
}
