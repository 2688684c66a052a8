import Dispatch
import Foundation

/// The signals that `latchctl run` passes on to its command.
struct RunSignals {
    static let passed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH]

    /// Those of ``passed`` that are not ignored since before this process began, as under `nohup`,
    /// and SIGPIPE, which this process ignores: the command gets all of them as a shell
    /// would give them to it.
    let defaults: [Int32]

    /// Handles the signals from now on: each is told to `output`. A reader of standard error that
    /// leaves ends nothing, and children that end are heard of, also if whoever started this
    /// process ignored SIGCHLD; the command does not inherit that.
    init(_ output: @escaping @Sendable (Int32) -> Void) {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGCHLD, SIG_DFL)
        let heard = Self.passed.filter { !Self.isIgnored($0) }
        defaults = heard + [SIGPIPE]
        for number in heard {
            // The source sees the signal beside its disposition, which must not end the process.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                output(number)
                withExtendedLifetime(source) {}
            }
            source.resume()
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
