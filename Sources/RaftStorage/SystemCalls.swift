package import Foundation

/// The system calls that this module makes itself; SQLite makes its own.
///
/// A value, so that a test can put a disk beneath that fails, or loses its power.
/// Each call answers as POSIX says: a negative result, and the reason in `errno`.
package protocol SystemCalls: Sendable {
    func status(of path: String, followsLinks: Bool, _ status: inout stat) -> CInt
    func isReadOnly(_ path: String, _ answer: inout Bool) -> CInt
    func access(_ path: String, _ mode: CInt) -> CInt
    func changeMode(of path: String, to mode: mode_t) -> CInt
    /// Creates the directory and those above it that are missing.
    func makeDirectories(_ path: String) throws

    func open(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt
    func close(_ descriptor: CInt)
    func lock(_ descriptor: CInt, _ operation: CInt) -> CInt
    func read(
        _ descriptor: CInt, into buffer: UnsafeMutableRawPointer, count: Int, offset: Int
    ) -> Int
    func write(
        _ descriptor: CInt, from buffer: UnsafeRawPointer, count: Int, offset: Int
    ) -> Int
    func truncate(_ descriptor: CInt, to size: Int) -> CInt
    func synchronize(_ descriptor: CInt) -> CInt
    func rename(_ path: String, to newPath: String) -> CInt

    /// Keeps an object until the process ends: its end would write to a disk that failed (D1).
    func keepUntilExit(_ object: AnyObject)
}

/// The kernel's own.
package struct PosixCalls: SystemCalls {
    package init() {}

    package func status(of path: String, followsLinks: Bool, _ status: inout stat) -> CInt {
        followsLinks ? stat(path, &status) : lstat(path, &status)
    }

    package func isReadOnly(_ path: String, _ answer: inout Bool) -> CInt {
        var fileSystem = statvfs()
        let result = statvfs(path, &fileSystem)
        answer = UInt(fileSystem.f_flag) & UInt(ST_RDONLY) != 0
        return result
    }

    package func access(_ path: String, _ mode: CInt) -> CInt { Foundation.access(path, mode) }

    package func changeMode(of path: String, to mode: mode_t) -> CInt { chmod(path, mode) }

    package func makeDirectories(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
    }

    package func open(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt {
        Foundation.open(path, flags, mode)
    }

    package func close(_ descriptor: CInt) { _ = Foundation.close(descriptor) }

    package func lock(_ descriptor: CInt, _ operation: CInt) -> CInt {
        flock(descriptor, operation)
    }

    package func read(
        _ descriptor: CInt, into buffer: UnsafeMutableRawPointer, count: Int, offset: Int
    ) -> Int {
        pread(descriptor, buffer, count, off_t(offset))
    }

    package func write(
        _ descriptor: CInt, from buffer: UnsafeRawPointer, count: Int, offset: Int
    ) -> Int {
        pwrite(descriptor, buffer, count, off_t(offset))
    }

    package func truncate(_ descriptor: CInt, to size: Int) -> CInt {
        ftruncate(descriptor, off_t(size))
    }

    package func synchronize(_ descriptor: CInt) -> CInt { fsync(descriptor) }

    package func rename(_ path: String, to newPath: String) -> CInt {
        Foundation.rename(path, newPath)
    }

    package func keepUntilExit(_ object: AnyObject) { _ = Unmanaged.passRetained(object) }
}
