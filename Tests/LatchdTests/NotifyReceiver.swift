import Foundation
import Testing

/// Stands where systemd stands: a datagram socket that hears what a process tells of itself.
final class NotifyReceiver: Sendable {
    /// What goes into `NOTIFY_SOCKET`.
    let name: String
    private let descriptor: Int32
    private let folder: URL

    /// - Parameter isAbstract: in Linux's abstract namespace, without a file.
    init(isAbstract: Bool = false) throws {
        // Short, since a path has 107 bytes at most.
        folder = URL(fileURLWithPath: "/tmp/latchd-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.path + "/notify"
        name = isAbstract ? "@" + path.dropFirst() : path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = isAbstract ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length)
            }
        }
        try #require(result == 0, "bind: \(String(cString: strerror(errno)))")
    }

    deinit {
        close(descriptor)
        try? FileManager.default.removeItem(at: folder)
    }

    /// The next datagram's lines; nil if none came within so many milliseconds.
    func next(within milliseconds: Int32 = 10_000) -> [String]? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, milliseconds) == 1 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    /// Everything up to the first line that satisfies `condition`; empty if none came in time.
    func lines(until condition: (String) -> Bool) -> [String] {
        var all: [String] = []
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline, let lines = next() {
            all += lines
            if lines.contains(where: condition) { return all }
        }
        return []
    }

    /// Forgets what has come so far.
    func drain() {
        while next(within: 0) != nil {}
    }
}
