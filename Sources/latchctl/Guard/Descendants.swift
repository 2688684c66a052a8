import CProcess
import Foundation

/// The living processes that come from one process, found in `/proc`.
///
/// A process that left its group (`setsid`, double fork) is found all the same: the ancestor is a
/// subreaper, so that whoever loses its parent becomes its child and never leaves the tree.
struct Descendants {
    struct Entry: Hashable {
        let pid: Int32
        let parent: Int32
        let group: Int32
        /// In clock ticks since the machine's start: it tells a process from a later one that got
        /// its number.
        let startTime: UInt64
        let isAlive: Bool
    }

    let entries: [Entry]

    /// All living descendants of `root`, without itself.
    init(of root: Int32) {
        let all = Self.processes()
        let children = Dictionary(grouping: all, by: \.parent)
        var found: [Entry] = []
        var open = [root]
        while let parent = open.popLast() {
            for child in children[parent] ?? [] {
                if child.isAlive { found.append(child) }
                // A dead process has no children: they have another parent already.
                open.append(child.pid)
            }
        }
        entries = found
    }

    private init(entries: [Entry]) {
        self.entries = entries
    }

    /// All but one.
    func without(_ pid: Int32) -> Descendants {
        Descendants(entries: entries.filter { $0.pid != pid })
    }

    /// Sends a signal to each of them that is still the process that was found.
    func signal(_ number: Int32) {
        for entry in entries {
            let descriptor = latchd_open_process(entry.pid)
            guard descriptor >= 0 else { continue }
            // The descriptor means whoever has the number now. If that is the one that was found,
            // the signal can reach no other.
            if Self.entry(of: entry.pid)?.startTime == entry.startTime {
                _ = latchd_signal_process(descriptor, number)
            }
            close(descriptor)
        }
    }

    private static func processes() -> [Entry] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var entries: [Entry] = []
        while let item = readdir(folder) {
            let pid = withUnsafePointer(to: &item.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { atoi($0) }
            }
            if pid > 0, let entry = entry(of: pid) { entries.append(entry) }
        }
        return entries
    }

    private static func entry(of pid: Int32) -> Entry? {
        let descriptor = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1_024)
        let count = read(descriptor, &bytes, bytes.count)
        return count > 0 ? parse(bytes[..<count]) : nil
    }

    /// Reads a line of `/proc/PID/stat`. The name in it may hold anything, so the fields count
    /// from the last bracket.
    static func parse(_ line: ArraySlice<UInt8>) -> Entry? {
        guard let bracket = line.lastIndex(of: UInt8(ascii: ")")),
            let pid = line.split(separator: UInt8(ascii: " "), maxSplits: 1).first
        else { return nil }
        let fields = line[(bracket + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let state = fields[0].first,
            let pid = Int32(String(decoding: pid, as: UTF8.self)),
            let parent = Int32(String(decoding: fields[1], as: UTF8.self)),
            let group = Int32(String(decoding: fields[2], as: UTF8.self)),
            let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        let isAlive = state != UInt8(ascii: "Z") && state != UInt8(ascii: "X")
        return Entry(
            pid: pid, parent: parent, group: group, startTime: startTime, isAlive: isAlive)
    }
}
