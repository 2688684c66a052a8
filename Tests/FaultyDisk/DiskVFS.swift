import Foundation
import GRDBSQLite
import RaftStorage
import Synchronization

/// SQLite's default VFS with a fork in it: files below a mounted path go to a ``Disk``, all others
/// where they always went.
///
/// It does what SQLite's own VFS for Unix does, in the same order of system calls, except that it
/// takes no locks and offers no shared memory.
package enum DiskVFS {
    private static let mounts = Mutex<[String: any Disk]>([:])

    /// From now on SQLite finds this disk at `path`, an absolute path without a final slash.
    package static func mount(_ disk: any Disk, at path: String) {
        _ = isRegistered
        mounts.withLock { $0[path] = disk }
    }

    package static func unmount(_ path: String) {
        mounts.withLock { $0[path] = nil }
    }

    static func disk(for path: String) -> (any Disk)? {
        mounts.withLock { mounts in
            mounts.first { path.hasPrefix($0.key + "/") }?.value
        }
    }

    /// SQLite's own VFS. It lives as long as the process, as the one below does.
    private nonisolated(unsafe) static let base: UnsafeMutablePointer<sqlite3_vfs>? =
        sqlite3_vfs_find(nil)

    private static let isRegistered: Bool = {
        guard let base else { return false }
        let vfs = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        // Time, randomness and the like: the base never looks at the VFS they are called with.
        vfs.initialize(to: base.pointee)
        vfs.pointee.zName = UnsafePointer(strdup("latchd-disks"))
        vfs.pointee.pNext = nil
        vfs.pointee.szOsFile = max(base.pointee.szOsFile, CInt(OpenFile.bytes))
        vfs.pointee.xOpen = { _, name, file, flags, outFlags in
            guard let name, let file, let disk = DiskVFS.disk(for: String(cString: name)) else {
                return DiskVFS.base?.pointee.xOpen(DiskVFS.base, name, file, flags, outFlags)
                    ?? SQLITE_CANTOPEN
            }
            outFlags?.pointee = flags
            return OpenFile.open(String(cString: name), on: disk, flags: flags, as: file)
        }
        vfs.pointee.xDelete = { _, name, syncsDirectory in
            guard let name, let disk = DiskVFS.disk(for: String(cString: name)) else {
                return DiskVFS.base?.pointee.xDelete(DiskVFS.base, name, syncsDirectory)
                    ?? SQLITE_IOERR
            }
            return DiskVFS.delete(String(cString: name), on: disk, syncs: syncsDirectory != 0)
        }
        vfs.pointee.xAccess = { _, name, flags, answer in
            guard let name, let disk = DiskVFS.disk(for: String(cString: name)) else {
                return DiskVFS.base?.pointee.xAccess(DiskVFS.base, name, flags, answer)
                    ?? SQLITE_IOERR
            }
            var status = stat()
            let result = disk.status(of: String(cString: name), followsLinks: true, &status)
            // An empty file counts as absent, as in SQLite's own.
            let isThere = result == 0 && (flags != SQLITE_ACCESS_EXISTS || status.st_size > 0)
            answer?.pointee = isThere ? 1 : 0
            return SQLITE_OK
        }
        vfs.pointee.xFullPathname = { _, name, count, output in
            guard let name, DiskVFS.disk(for: String(cString: name)) != nil else {
                return DiskVFS.base?.pointee.xFullPathname(DiskVFS.base, name, count, output)
                    ?? SQLITE_CANTOPEN
            }
            guard let output, strlen(name) < Int(count) else { return SQLITE_CANTOPEN }
            strcpy(output, name)
            return SQLITE_OK
        }
        return sqlite3_vfs_register(vfs, 1) == SQLITE_OK
    }()

    private static func delete(_ path: String, on disk: any Disk, syncs: Bool) -> CInt {
        guard disk.unlink(path) == 0 else {
            return errno == ENOENT ? ErrorCode.deleteNoEntry : ErrorCode.delete
        }
        return syncs ? synchronizeDirectory(of: path, on: disk) : SQLITE_OK
    }

    static func synchronizeDirectory(of path: String, on disk: any Disk) -> CInt {
        let descriptor = disk.open(
            DiskImage.parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return SQLITE_CANTOPEN }
        defer { disk.close(descriptor) }
        return disk.synchronize(descriptor) == 0 ? SQLITE_OK : ErrorCode.directorySync
    }
}

/// Extended codes, which SQLite spells as expressions that Swift does not import.
enum ErrorCode {
    static let read = SQLITE_IOERR | 1 << 8
    static let shortRead = SQLITE_IOERR | 2 << 8
    static let write = SQLITE_IOERR | 3 << 8
    static let sync = SQLITE_IOERR | 4 << 8
    static let directorySync = SQLITE_IOERR | 5 << 8
    static let truncate = SQLITE_IOERR | 6 << 8
    static let status = SQLITE_IOERR | 7 << 8
    static let delete = SQLITE_IOERR | 10 << 8
    static let deleteNoEntry = SQLITE_IOERR | 23 << 8
}
