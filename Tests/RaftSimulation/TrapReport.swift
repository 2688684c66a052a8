import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Names the seeds that are running when a `precondition` in the core ends the process.
///
/// The handler runs in a signal: it reads two numbers and calls `write`, nothing else.
package enum TrapReport {
    private static let first = Atomic<UInt64>(0)
    private static let second = Atomic<UInt64>(0)

    /// From now on a trap prints the seeds that were running.
    package static func install() {
        forget(lane: 0)
        forget(lane: 1)
        for number in [SIGILL, SIGTRAP] {
            signal(number) { number in
                TrapReport.write(TrapReport.first.load(ordering: .relaxed))
                TrapReport.write(TrapReport.second.load(ordering: .relaxed))
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    package static func note(seed: UInt64, lane: Int) {
        if lane == 0 {
            first.store(seed, ordering: .relaxed)
        } else {
            second.store(seed, ordering: .relaxed)
        }
    }

    static func forget(lane: Int) { note(seed: 0, lane: lane) }

    private static func write(_ seed: UInt64) {
        guard seed > 0 else { return }
        put("\nThe process traps while this seed runs; its whole story: latchsim --seed ")
        var divisor: UInt64 = 1
        while seed / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            var digit = UInt8(48 + seed / divisor % 10)
            _ = systemWrite(2, &digit, 1)
            divisor /= 10
        }
        put("\n")
    }

    private static func put(_ text: StaticString) {
        _ = systemWrite(2, text.utf8Start, text.utf8CodeUnitCount)
    }

    private static func systemWrite(_ file: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
        Glibc.write(file, bytes, count)
        #else
        Darwin.write(file, bytes, count)
        #endif
    }
}
