import Foundation

/// Keeps a second process off the directory (D17): an advisory lock on a file beside the database,
/// which names the holder. SQLite's own exclusive lock then keeps other tools off the database
/// (D5).
struct DirectoryLock: Sendable {
    private let file: PrivateFile

    init(_ directory: DataDirectory) throws(StorageFailure) {
        _ = try directory.sizeOfPrivateFile(at: directory.lock)
        file = try PrivateFile(path: directory.lock, create: true, calls: directory.calls)
        guard try file.lockExclusively() else {
            let text = String(decoding: try file.read(limit: 32), as: UTF8.self)
            let holder = text.trimmingCharacters(in: .whitespacesAndNewlines)
            throw .directoryLocked(
                path: directory.path, holder: holder.isEmpty ? "unknown" : holder)
        }
        try file.truncate(to: 0)
        try file.write(Array("\(getpid())\n".utf8))
    }

    /// Lets the next process in. The database must be closed.
    func release() {
        file.unlock()
    }
}
