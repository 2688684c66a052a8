import Foundation

/// A small file of ours that stays open: the lock or the watermark. Closed when released.
final class PrivateFile: Sendable {
    let path: String
    private let descriptor: CInt
    private let calls: any SystemCalls

    /// Opens the file, or creates it with mode 0600; a symbolic link is refused.
    init(
        path: String, create: Bool, calls: any SystemCalls
    ) throws(StorageFailure) {
        let flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0)
        let descriptor = calls.open(path, flags, 0o600)
        guard descriptor >= 0 else { throw .posix(errno, at: path) }
        self.path = path
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit {
        // A lock lives as long as any copy of the descriptor: one that a child process got between
        // its fork and its exec would keep it.
        unlock()
        calls.close(descriptor)
    }

    /// Locks the file against every other process; false if one holds it.
    func lockExclusively() throws(StorageFailure) -> Bool {
        if calls.lock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        let code = errno
        guard code == EWOULDBLOCK else { throw .posix(code, at: path) }
        return false
    }

    /// Releases the lock early.
    func unlock() {
        _ = calls.lock(descriptor, LOCK_UN)
    }

    /// The first bytes, at most `limit` of them.
    func read(limit: Int) throws(StorageFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = bytes.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { calls.read(descriptor, into: $0, count: limit, offset: 0) } ?? 0
        }
        guard count >= 0 else { throw .posix(errno, at: path) }
        return Array(bytes.prefix(count))
    }

    /// Overwrites the first bytes.
    func write(_ bytes: [UInt8]) throws(StorageFailure) {
        let count = bytes.withUnsafeBytes { bytes in
            bytes.baseAddress.map {
                calls.write(descriptor, from: $0, count: bytes.count, offset: 0)
            } ?? 0
        }
        guard count >= 0 else { throw .posix(errno, at: path) }
        guard count == bytes.count else {
            throw .diskFull(path: path, detail: "\(count) of \(bytes.count) bytes were written")
        }
    }

    /// Cuts the file to `size` bytes.
    func truncate(to size: Int) throws(StorageFailure) {
        guard calls.truncate(descriptor, to: size) == 0 else { throw .posix(errno, at: path) }
    }

    /// Makes the content durable.
    func synchronize() throws(StorageFailure) {
        guard calls.synchronize(descriptor) == 0 else { throw .posix(errno, at: path) }
    }
}
