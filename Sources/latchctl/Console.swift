import Dispatch
import Foundation
import Synchronization

/// Writes whole lines at once, unbuffered, so that output can be piped while a command goes on.
enum Console {
    static func say(_ line: String) {
        writeOrExit(line + "\n", to: 1)
    }

    static func complain(_ line: String) {
        writeOrExit(line + "\n", to: 2)
    }

    /// Whether a person can be asked.
    static var isInteractive: Bool { isatty(0) == 1 }

    /// Asks on standard error, so that the output can be piped. False unless the answer is yes.
    static func ask(_ question: String) -> Bool {
        writeOrExit(question + " [y/N] ", to: 2)
        return isYes(readLine())
    }

    /// nil is the end of the input.
    static func isYes(_ answer: String?) -> Bool {
        let word = answer?.trimmingCharacters(in: .whitespaces).lowercased()
        return word == "y" || word == "yes"
    }

    private static func writeOrExit(_ text: String, to descriptor: Int32) {
        // NIO ignores SIGPIPE for the whole process, so a reader that left shows only here.
        if !write(text, to: descriptor) { exit(Exit.brokenPipe) }
    }

    /// False: the reader has left.
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
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
                return false
            } else if errno == EAGAIN {
                // Whoever shares the descriptor made it non-blocking: wait until it takes more.
                var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&room, 1, -1)
            } else if errno != EINTR {
                return true
            }
        }
        return true
    }
}

/// For whoever must not wait for a reader, nor end with it.
extension Console {
    private static let mentions = DispatchQueue(label: "standard error")
    private static let waiting = Atomic<Int>(0)
    private static let mostWaiting = 200

    /// Hands a line over to be written to standard error, and returns at once. A line is lost when
    /// the reader has left, or leaves ``mostWaiting`` lines unread.
    static func mention(_ line: String) {
        guard waiting.add(1, ordering: .relaxed).newValue <= mostWaiting else {
            waiting.subtract(1, ordering: .relaxed)
            return
        }
        mentions.async {
            Terminal.withoutStopping { _ = write(line + "\n", to: 2) }
            waiting.subtract(1, ordering: .relaxed)
        }
    }

    /// Waits until everything mentioned is written, but not longer than that.
    static func finishMentions(within seconds: Double) {
        let written = DispatchSemaphore(value: 0)
        mentions.async { written.signal() }
        _ = written.wait(timeout: .now() + seconds)
    }
}
