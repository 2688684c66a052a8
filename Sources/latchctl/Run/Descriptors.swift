import Foundation

/// The descriptors above the three standard ones that were open at some moment.
struct Descriptors: Sendable {
    private let numbers: Set<Int32>

    /// Those of now.
    static var current: Descriptors {
        let all = (try? Descendants.numbers(in: "/proc/self/fd")) ?? []
        // The one by which they were read is among them, and closed by now.
        return Descriptors(numbers: Set(all.filter { $0 > 2 && fcntl($0, F_GETFD) >= 0 }))
    }

    /// Keeps from programs that this process starts whatever was opened since: connections that
    /// they would hold open after its end. What whoever started this process passed on to it, a
    /// lock or a socket, passes on to them.
    func closeOthersOnExec() {
        for number in Self.current.numbers.subtracting(numbers) {
            _ = fcntl(number, F_SETFD, FD_CLOEXEC)
        }
    }
}
