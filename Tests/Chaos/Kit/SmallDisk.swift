import ClusterHarness
import Foundation

/// A file system of a few megabytes that can be filled: a tmpfs, which only root may mount.
struct SmallDisk: Sendable {
    private let folder: URL
    private let ballast: URL

    /// Nil where that is not allowed.
    static func mount(at folder: URL, megabytes: Int) -> SmallDisk? {
        guard geteuid() == 0 else { return nil }
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let arguments = [
            "mount", "-t", "tmpfs", "-o", "size=\(megabytes)m,mode=0700", "tmpfs", folder.path,
        ]
        let path = folder.path
        do {
            try AtExit.make(undo: { unmount(path) }) {
                guard run(arguments) else { throw HarnessError("\(path) cannot be mounted") }
            }
        } catch {
            return nil
        }
        return SmallDisk(folder: folder, ballast: folder.appendingPathComponent("ballast"))
    }

    /// Takes all space that is left.
    func fill() -> Bool {
        guard FileManager.default.createFile(atPath: ballast.path, contents: nil),
            let file = try? FileHandle(forWritingTo: ballast)
        else { return false }
        defer { try? file.close() }
        for size in [1 << 16, 1 << 12, 1 << 8] {
            let block = Data(repeating: 0xEE, count: size)
            while (try? file.write(contentsOf: block)) != nil {}
        }
        return true
    }

    var isFull: Bool { FileManager.default.fileExists(atPath: ballast.path) }

    func free() { try? FileManager.default.removeItem(at: ballast) }

    func unmount() { Self.unmount(folder.path) }

    /// Does nothing where there is no such folder any more.
    private static func unmount(_ path: String) {
        guard FileManager.default.fileExists(atPath: path) else { return }
        if !run(["umount", path]) { _ = run(["umount", "-l", path]) }
    }

    private static func run(_ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
