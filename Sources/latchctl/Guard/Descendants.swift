import CProcess
import Foundation

/// The living processes that come from one process, as one look at `/proc` finds them: whom to
/// signal. It is no proof of who is not there; ``Children`` has that.
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

        /// The same for the whole life of a process, whoever its parent and its group are.
        var identity: Identity { Identity(pid: pid, startTime: startTime) }
    }

    struct Identity: Hashable {
        let pid: Int32
        let startTime: UInt64
    }

    /// `/proc` could not be read.
    struct Unreadable: Error {
        let errno: Int32
    }

    let entries: [Entry]

    /// How often ``signal(_:until:unless:)`` looks again while each look finds somebody new.
    static let mostLooks = 8

    /// All living descendants of `root`, without itself.
    ///
    /// - Parameter end: when to stop looking, with what was found until then; nil: never.
    /// - Throws: ``Unreadable``.
    init(of root: Int32, until end: BootTime? = nil) throws(Unreadable) {
        let all = try Self.processes(until: end)
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

    /// Sends signals, each once, to every descendant of this process that is not spared. Whoever
    /// was just being started at one look is there at the next.
    ///
    /// - Parameter end: from here on nobody is looked for or signalled any more; nil: never.
    /// - Throws: ``Unreadable``.
    static func signal(
        _ numbers: [Int32], until end: BootTime? = nil,
        unless isSpared: (Entry) -> Bool = { _ in false }
    ) throws(Unreadable) {
        var seen: Set<Identity> = []
        for _ in 0..<mostLooks {
            let new = try Descendants(of: getpid(), until: end).entries
                .filter { !isSpared($0) && seen.insert($0.identity).inserted }
            if new.isEmpty { return }
            for entry in new {
                if let end, BootTime.now >= end { return }
                signal(entry, numbers)
            }
        }
    }

    /// If it is still the process that was found.
    private static func signal(_ found: Entry, _ numbers: [Int32]) {
        let descriptor = latchd_open_process(found.pid)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // The descriptor means whoever has the number now. If that is the one that was found, the
        // signal can reach no other.
        guard let now = try? entry(of: found.pid), now.identity == found.identity else { return }
        for number in numbers { _ = latchd_signal_process(descriptor, number) }
    }

    /// Tries whether `/proc` can be read, without a look at everybody.
    ///
    /// - Throws: ``Unreadable``.
    static func probe() throws(Unreadable) {
        guard try entry(of: getpid()) != nil else { throw Unreadable(errno: errno) }
    }

    private static func processes(until end: BootTime?) throws(Unreadable) -> [Entry] {
        var entries: [Entry] = []
        for pid in try numbers(in: "/proc") {
            if let end, BootTime.now >= end { return entries }
            if let entry = try entry(of: pid) { entries.append(entry) }
        }
        return entries
    }

    /// The numbers above zero that are names in a folder of `/proc`.
    ///
    /// - Throws: ``Unreadable``.
    static func numbers(in path: String) throws(Unreadable) -> [Int32] {
        guard let folder = opendir(path) else { throw Unreadable(errno: errno) }
        defer { closedir(folder) }
        var numbers: [Int32] = []
        errno = 0
        while let item = readdir(folder) {
            let number = withUnsafePointer(to: &item.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { atoi($0) }
            }
            if number > 0 { numbers.append(number) }
            errno = 0
        }
        guard errno == 0 else { throw Unreadable(errno: errno) }
        return numbers
    }

    /// nil: there is no such process any more, or it is hidden from this user.
    private static func entry(of pid: Int32) throws(Unreadable) -> Entry? {
        let descriptor = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard [EMFILE, ENFILE, ENOMEM].contains(errno) else { return nil }
            throw Unreadable(errno: errno)
        }
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
            let threads = Int(String(decoding: fields[17], as: UTF8.self)),
            let startTime = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        // The state is that of the first thread: others may go on after its end.
        let isAlive = ![UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(state) || threads > 1
        return Entry(
            pid: pid, parent: parent, group: group, startTime: startTime, isAlive: isAlive)
    }
}
