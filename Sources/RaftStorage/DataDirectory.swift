import Foundation

/// The directory of one server and the files in it. Checks who may touch them; reads none of them.
struct DataDirectory: Sendable {
    let path: String
    let calls: any SystemCalls

    var database: String { path + "/latchd.sqlite" }
    var writeAheadLog: String { database + "-wal" }
    var watermark: String { path + "/latchd.watermark" }
    var lock: String { path + "/latchd.lock" }

    /// Checks the directory; with `bootstrap`, creates it (mode 0700) where it is missing.
    static func prepare(
        path: String, bootstrap: Bool, calls: any SystemCalls
    ) throws(StorageFailure) -> DataDirectory {
        let directory = DataDirectory(path: path, calls: calls)
        var status = stat()
        if calls.status(of: path, followsLinks: true, &status) != 0 {
            let code = errno
            guard code == ENOENT else { throw .posix(code, at: path) }
            guard bootstrap else { throw .directoryMissing(path: path) }
            try directory.create()
            guard calls.status(of: path, followsLinks: true, &status) == 0 else {
                throw .posix(errno, at: path)
            }
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .notADirectory(path: path) }
        try checkOwnership(of: path, status)
        try directory.checkAccess()
        return directory
    }

    /// What stands at a path of ours: nil, or the size of a plain file that only we can write, in
    /// bytes.
    ///
    /// A file that others can read loses those permissions (S10).
    func sizeOfPrivateFile(at path: String) throws(StorageFailure) -> Int? {
        var status = stat()
        guard calls.status(of: path, followsLinks: false, &status) == 0 else {
            let code = errno
            guard code == ENOENT else { throw .posix(code, at: path) }
            return nil
        }
        let kind = status.st_mode & S_IFMT
        guard kind != S_IFLNK else { throw .symbolicLink(path: path) }
        guard kind == S_IFREG else { throw .notAFile(path: path) }
        try Self.checkOwnership(of: path, status)
        if status.st_mode & 0o077 != 0, calls.changeMode(of: path, to: 0o600) != 0 {
            throw .posix(errno, at: path)
        }
        return Int(status.st_size)
    }

    /// Creates an empty file with mode 0600 unless there is one.
    func createPrivateFile(at path: String) throws(StorageFailure) {
        let flags = O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC
        let descriptor = calls.open(path, flags, 0o600)
        guard descriptor >= 0 else { throw .posix(errno, at: path) }
        calls.close(descriptor)
    }

    /// Makes the names of created files durable.
    func synchronize() throws(StorageFailure) {
        try synchronize(path)
    }

    private func synchronize(_ path: String) throws(StorageFailure) {
        let descriptor = calls.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .posix(errno, at: path) }
        defer { calls.close(descriptor) }
        guard calls.synchronize(descriptor) == 0 else { throw .posix(errno, at: path) }
    }

    private func create() throws(StorageFailure) {
        var parents: [String] = []
        var url = URL(fileURLWithPath: path)
        repeat {
            url = url.deletingLastPathComponent()
            parents.append(url.path)
        } while calls.access(url.path, F_OK) != 0 && url.path != "/"
        do {
            try calls.makeDirectories(path)
        } catch {
            throw .directoryNotAccessible(path: path, reason: error.localizedDescription)
        }
        guard calls.changeMode(of: path, to: 0o700) == 0 else { throw .posix(errno, at: path) }
        // The name of each new directory stands in its parent.
        for parent in parents { try synchronize(parent) }
    }

    private func checkAccess() throws(StorageFailure) {
        var isReadOnly = false
        guard calls.isReadOnly(path, &isReadOnly) == 0 else { throw .posix(errno, at: path) }
        guard !isReadOnly else { throw .readOnlyFileSystem(path: path) }
        guard calls.access(path, R_OK | W_OK | X_OK) == 0 else { throw .posix(errno, at: path) }
    }

    /// Root may use what belongs to others: they trust it anyway.
    private static func checkOwnership(of path: String, _ status: stat) throws(StorageFailure) {
        let user = geteuid()
        guard status.st_uid == user || user == 0 else {
            throw .foreignOwner(path: path, owner: status.st_uid, user: user)
        }
        guard status.st_mode & 0o022 == 0 else {
            throw .writableByOthers(path: path, mode: String(status.st_mode & 0o7777, radix: 8))
        }
    }
}

extension StorageFailure {
    /// Names a failed system call.
    static func posix(_ code: CInt, at path: String) -> StorageFailure {
        let reason = String(cString: strerror(code))
        return switch code {
        case EROFS: .readOnlyFileSystem(path: path)
        case ELOOP: .symbolicLink(path: path)
        case ENOTDIR: .notADirectory(path: path)
        case ENOSPC, EDQUOT: .diskFull(path: path, detail: reason)
        case EIO: .inputOutput(path: path, detail: reason)
        default: .directoryNotAccessible(path: path, reason: reason)  // default: open set of errno
        }
    }
}
