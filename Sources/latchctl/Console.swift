import Foundation

/// Writes whole lines at once, unbuffered, so that output can be piped while a command goes on.
enum Console {
    static func say(_ line: String) {
        write(line + "\n", to: 1)
    }

    static func complain(_ line: String) {
        write(line + "\n", to: 2)
    }

    /// Whether a person can be asked.
    static var isInteractive: Bool { isatty(0) == 1 }

    /// Asks on standard error, so that the output can be piped. False unless the answer is yes.
    static func ask(_ question: String) -> Bool {
        write(question + " [y/N] ", to: 2)
        return isYes(readLine())
    }

    /// nil is the end of the input.
    static func isYes(_ answer: String?) -> Bool {
        let word = answer?.trimmingCharacters(in: .whitespaces).lowercased()
        return word == "y" || word == "yes"
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { bytes in
                #if canImport(Darwin)
                Darwin.write(descriptor, bytes.baseAddress, bytes.count)
                #else
                Glibc.write(descriptor, bytes.baseAddress, bytes.count)
                #endif
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE {
                // NIO ignores SIGPIPE for the whole process, so a reader that left shows only here.
                exit(Exit.brokenPipe)
            } else if errno == EAGAIN {
                // Whoever shares the descriptor made it non-blocking: wait until it takes more.
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&room, 1, -1)
            } else if errno != EINTR {
                return
            }
        }
    }
}
