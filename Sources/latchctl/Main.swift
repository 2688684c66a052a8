import ArgumentParser
import Dispatch
import Foundation

/// Where the process begins: as the command line, or in a mode that `latchctl run` starts it in.
@main
enum Main {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        switch words.first {
        case GuardProcess.mode: GuardProcess.main()
        case Trampoline.mode: Trampoline.main()
        default:  // default: open set (words)
            if let objection = Latchctl.objection(to: words) {
                Console.complain("latchctl: \(objection)")
                exit(ExitCode.validationFailure.rawValue)
            }
            runCommand()
        }
    }

    /// The main thread waits, rather than end as under `dispatchMain()`: without it the process
    /// would have no `/proc/self/exe` to start the guard from.
    private static func runCommand() -> Never {
        let isDone = DispatchSemaphore(value: 0)
        Task.detached {
            await Latchctl.main()
            isDone.signal()
        }
        isDone.wait()
        exit(0)
    }
}
