import CProcess
import Foundation

/// The children of this process.
///
/// A process whose parent dies becomes a child of the nearest subreaper above it in the same
/// moment. So a subreaper without a child has no descendant either: this, which the kernel says by
/// ECHILD, is the proof that none is left. A look at `/proc` proves nothing, because processes come
/// and go while it takes place.
enum Children {
    /// Collects those that have ended.
    ///
    /// - Parameter each: is told the number of each of them.
    /// - Returns: whether a child is left. Any answer of the kernel but ECHILD means yes.
    static func collectEnded(_ each: (Int32) -> Void = { _ in }) -> Bool {
        while true {
            let pid = latchd_collect_child()
            if pid < 0 { return errno != ECHILD }
            if pid == 0 { return true }
            each(pid)
        }
    }

    /// Those that are alive, but for one. The others, but for that one, are collected.
    ///
    /// - Throws: ``Descendants/Unreadable``.
    static func living(
        but spared: Int32, _ collected: (Int32) -> Void = { _ in }
    ) throws(Descendants.Unreadable) -> [Int32] {
        try all().filter { pid in
            guard pid != spared else { return false }
            let answer = waitpid(pid, nil, WNOHANG | __WALL)
            if answer == pid { collected(pid) }
            return answer == 0
        }
    }

    /// Kills all but one. The children of those that die become children of this process: whoever
    /// calls again when it hears of their ends reaches all descendants, and sooner than a look at
    /// the whole of `/proc` does.
    ///
    /// - Throws: ``Descendants/Unreadable``.
    static func kill(
        but spared: Int32, _ collected: (Int32) -> Void = { _ in }
    ) throws(Descendants.Unreadable) {
        var seen: Set<Int32> = []
        // No more often: against whoever forks without end, the caller has to look at others too.
        for _ in 0..<Descendants.mostLooks {
            // The number of a child means nobody else until it is collected, which happens only
            // here.
            let new = try living(but: spared, collected).filter { seen.insert($0).inserted }
            if new.isEmpty { return }
            for pid in new { _ = Foundation.kill(pid, SIGKILL) }
        }
    }

    /// Those that are alive, and those that have ended and were not collected; perhaps not all, if
    /// one of them ends meanwhile.
    private static func all() throws(Descendants.Unreadable) -> [Int32] {
        var pids: [Int32] = []
        for thread in try Descendants.numbers(in: "/proc/self/task") {
            guard let text = try contents(of: "/proc/self/task/\(thread)/children") else {
                // A kernel without these files, or a thread that has just ended.
                let own = getpid()
                return try Descendants(of: own).entries.filter { $0.parent == own }.map(\.pid)
            }
            pids += text.split(separator: UInt8(ascii: " "))
                .compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
        }
        return pids
    }

    /// nil: there is no such file.
    private static func contents(of path: String) throws(Descendants.Unreadable) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw Descendants.Unreadable(errno: errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { return bytes }
            bytes += chunk[..<count]
        }
    }
}
