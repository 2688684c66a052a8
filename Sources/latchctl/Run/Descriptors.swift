import Foundation

/// The descriptors above the three standard ones that were open at some moment.
struct Descriptors: Sendable {
    private let numbers: Set<Int32>

    /// Those of now.
    static var current: Descriptors {
        guard let folder = opendir("/proc/self/fd") else { return Descriptors(numbers: []) }
        defer { closedir(folder) }
        let own = dirfd(folder)
        var numbers: Set<Int32> = []
        while let item = readdir(folder) {
            // "." and ".." are 0.
            let number = withUnsafePointer(to: &item.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { atoi($0) }
            }
            if number > 2, number != own { numbers.insert(number) }
        }
        return Descriptors(numbers: numbers)
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
