import Foundation

/// Writes whole lines at once, unbuffered, so that output can be piped while a command goes on.
enum Console {
    static func say(_ line: String) {
        write(line + "\n", to: 1)
    }

    static func complain(_ line: String) {
        write(line + "\n", to: 2)
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
            } else if errno != EINTR && errno != EAGAIN {
                return
            }
        }
    }
}
