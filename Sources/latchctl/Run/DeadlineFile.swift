import Foundation
import LatchClient

/// The file in which a command reads until when it certainly holds its latch. It is replaced as a
/// whole at every renewal, so that a reader never sees half of it.
struct DeadlineFile {
    /// The environment variable with its path.
    static let variable = "LATCHD_DEADLINE_FILE"

    /// What the file says, as JSON.
    struct Content: Encodable, Hashable {
        let namespace: String
        let latch: String
        let participant: String
        /// A text: it may be larger than what a double holds exactly.
        let fencingToken: String
        let term: UInt64
        /// On the clock that counts from the machine's start, suspended time too (CLOCK_BOOTTIME).
        let deadlineBoottimeNs: Int64
        /// The same moment by the wall clock, which may be set: for people.
        let deadlineUnixMs: Int64
    }

    let path: String

    /// In a new folder that only this user can read.
    init() throws {
        let base =
            ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
            .flatMap { access($0, W_OK) == 0 ? $0 : nil } ?? NSTemporaryDirectory()
        let template = URL(fileURLWithPath: base).appendingPathComponent("latchctl-XXXXXX").path
        let name = cString(template)
        defer { name.deallocate() }
        guard mkdtemp(name) != nil else {
            let reason = String(cString: strerror(errno))
            throw RunFailure(
                "cannot make a folder in \(base): \(reason). Set TMPDIR to one that can be written to."
            )
        }
        path = String(cString: name) + "/deadline.json"
    }

    /// Replaces the file. A failure is told once by the caller; the command's environment still
    /// has the token, and the watchdog does not need the file.
    func write(_ content: Content) throws {
        try Data((json(content, pretty: true) + "\n").utf8)
            .write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    func remove() { Self.remove(path) }

    /// The file and its folder.
    static func remove(_ path: String) {
        unlink(path)
        if let slash = path.lastIndex(of: "/") { rmdir(String(path[..<slash])) }
    }
}
