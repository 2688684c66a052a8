import Foundation

/// The directory of one server and the files in it. Checks who may touch them; reads none of them.
struct DataDirectory: Sendable {
    let path: String

    var database: String { path + "/latchd.sqlite" }
    var writeAheadLog: String { database + "-wal" }
    var watermark: String { path + "/latchd.watermark" }
    var lock: String { path + "/latchd.lock" }

    /// Checks the directory; with `bootstrap`, creates it (mode 0700) where it is missing.
    static func prepare(path: String, bootstrap: Bool) throws(StorageFailure) -> DataDirectory {
        let directory = DataDirectory(path: path)
        var status = stat()
        if stat(path, &status) != 0 {
            let code = errno
            guard code == ENOENT else { throw .posix(code, at: path) }
            guard bootstrap else { throw .directoryMissing(path: path) }
            try directory.create()
            guard stat(path, &status) == 0 else { throw .posix(errno, at: path) }
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
    static func sizeOfPrivateFile(at path: String) throws(StorageFailure) -> Int? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            let code = errno
            guard code == ENOENT else { throw .posix(code, at: path) }
            return nil
        }
        let kind = status.st_mode & S_IFMT
        guard kind != S_IFLNK else { throw .symbolicLink(path: path) }
        guard kind == S_IFREG else { throw .notAFile(path: path) }
        try checkOwnership(of: path, status)
        if status.st_mode & 0o077 != 0, chmod(path, 0o600) != 0 { throw .posix(errno, at: path) }
        return Int(status.st_size)
    }

    /// Creates an empty file with mode 0600 unless there is one.
    static func createPrivateFile(at path: String) throws(StorageFailure) {
        let descriptor = open(path, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .posix(errno, at: path) }
        close(descriptor)
    }

    /// Makes the names of created files durable.
    func synchronize() throws(StorageFailure) {
        try Self.synchronize(path)
    }

    private static func synchronize(_ path: String) throws(StorageFailure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .posix(errno, at: path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .posix(errno, at: path) }
    }

    private func create() throws(StorageFailure) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
        } catch {
            throw .directoryNotAccessible(path: path, reason: error.localizedDescription)
        }
        guard chmod(path, 0o700) == 0 else { throw .posix(errno, at: path) }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        try Self.synchronize(parent)
    }

    private func checkAccess() throws(StorageFailure) {
        var fileSystem = statvfs()
        guard statvfs(path, &fileSystem) == 0 else { throw .posix(errno, at: path) }
        guard UInt(fileSystem.f_flag) & UInt(ST_RDONLY) == 0 else {
            throw .readOnlyFileSystem(path: path)
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw .posix(errno, at: path) }
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
