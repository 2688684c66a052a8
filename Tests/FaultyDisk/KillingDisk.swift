package import Foundation
import RaftStorage
import Synchronization

/// The real file system, on which the process kills itself at one operation: SIGKILL, which
/// leaves to the kernel what was written before.
package final class KillingDisk: Disk {
    private let posix = PosixCalls()
    private let fatalOperation: Int
    private let count = Atomic<Int>(0)

    /// - Parameter fatalOperation: Counted from 1 as a ``SimulatedDisk`` counts, except that an
    ///   opening that may create a file always counts; 0 kills never.
    package init(killsAt fatalOperation: Int) { self.fatalOperation = fatalOperation }

    /// Operations so far.
    package var operations: Int { count.load(ordering: .relaxed) }

    private func reach() {
        if count.add(1, ordering: .relaxed).newValue == fatalOperation { kill(getpid(), SIGKILL) }
    }

    package func makeDirectories(_ path: String) throws {
        reach()
        try posix.makeDirectories(path)
    }

    package func open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
        if flags & O_CREAT != 0 { reach() }
        return posix.open(path, flags, mode)
    }

    package func write(
        _ descriptor: Int32, from buffer: UnsafeRawPointer, count: Int, offset: Int
    ) -> Int {
        reach()
        return posix.write(descriptor, from: buffer, count: count, offset: offset)
    }

    package func truncate(_ descriptor: Int32, to size: Int) -> Int32 {
        reach()
        return posix.truncate(descriptor, to: size)
    }

    package func synchronize(_ descriptor: Int32) -> Int32 {
        reach()
        return posix.synchronize(descriptor)
    }

    package func rename(_ path: String, to newPath: String) -> Int32 {
        reach()
        return posix.rename(path, to: newPath)
    }

    package func unlink(_ path: String) -> Int32 {
        reach()
        return Foundation.unlink(path)
    }

    package func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawPointer, count: Int, offset: Int
    ) -> Int { posix.read(descriptor, into: buffer, count: count, offset: offset) }

    package func size(_ descriptor: Int32) -> Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : -1
    }

    package func status(of path: String, followsLinks: Bool, _ status: inout stat) -> Int32 {
        posix.status(of: path, followsLinks: followsLinks, &status)
    }

    package func isReadOnly(_ path: String, _ answer: inout Bool) -> Int32 {
        posix.isReadOnly(path, &answer)
    }

    package func access(_ path: String, _ mode: Int32) -> Int32 { posix.access(path, mode) }
    package func changeMode(of path: String, to mode: mode_t) -> Int32 {
        posix.changeMode(of: path, to: mode)
    }
    package func lock(_ descriptor: Int32, _ operation: Int32) -> Int32 {
        posix.lock(descriptor, operation)
    }
    package func close(_ descriptor: Int32) { posix.close(descriptor) }
    package func keepUntilExit(_ object: AnyObject) { posix.keepUntilExit(object) }
}
