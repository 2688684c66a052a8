import Foundation

/// Why `latchctl run` itself cannot go on.
struct RunFailure: Error {
    let message: String
    init(_ message: String) { self.message = message }

    /// The system refused: what could not be done, why, and what to do about it.
    ///
    /// - Parameters:
    ///   - what: could not be done, as in "cannot make a pipe to the watchdog".
    ///   - errno: why.
    init(_ what: String, errno: Int32) {
        let advice = Self.advice(errno).map { ". \($0)." } ?? ""
        self.init("\(what): \(String(cString: strerror(errno)))\(advice)")
    }

    private static func advice(_ errno: Int32) -> String? {
        switch errno {
        case EAGAIN:
            "The limit of processes is reached: raise ulimit -u, or TasksMax of the unit"
        case EMFILE:
            "The limit of open files is reached: raise ulimit -n, or LimitNOFILE of the unit"
        case ENFILE: "The machine's limit of open files is reached: raise fs.file-max"
        case ENOMEM:
            "There is no memory left on the machine, or for the unit (MemoryMax)"
        case E2BIG:
            "The command line and the environment together are too long: shorten them, or raise ulimit -s"
        case ENOENT, EACCES, ENOTDIR:
            "latchctl starts itself through /proc/self/exe: /proc must be mounted"
        case ENOSYS, EPERM:
            "latchctl run needs Linux 5.3 or later, and a sandbox (seccomp) that allows its calls"
        default: nil  // default: open set (errors of the system)
        }
    }
}
