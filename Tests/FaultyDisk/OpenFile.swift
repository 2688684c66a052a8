import Foundation
import GRDBSQLite
import RaftStorage

/// A file that SQLite has open on a ``Disk``.
///
/// SQLite allocates `bytes` for it: its own header, then a reference to this object.
final class OpenFile {
    private let disk: any Disk
    private let path: String
    private let descriptor: CInt
    /// A new journal or write-ahead log: its first sync makes its name durable as well.
    private var syncsDirectory: Bool
    private var keepsWriteAheadLog: CInt = 0

    private init(disk: any Disk, path: String, descriptor: CInt, syncsDirectory: Bool) {
        self.disk = disk
        self.path = path
        self.descriptor = descriptor
        self.syncsDirectory = syncsDirectory
    }

    static let bytes = MemoryLayout<sqlite3_file>.size + MemoryLayout<UnsafeRawPointer>.size

    static func open(
        _ path: String, on disk: any Disk, flags: CInt, as file: UnsafeMutablePointer<sqlite3_file>
    ) -> CInt {
        file.pointee.pMethods = nil
        let creates = flags & SQLITE_OPEN_CREATE != 0
        let access = flags & SQLITE_OPEN_READWRITE != 0 ? O_RDWR : O_RDONLY
        let descriptor = disk.open(
            path, access | O_CLOEXEC | O_NOFOLLOW | (creates ? O_CREAT : 0), 0o600)
        guard descriptor >= 0 else { return SQLITE_CANTOPEN }
        let kinds = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL
        let object = OpenFile(
            disk: disk, path: path, descriptor: descriptor,
            syncsDirectory: creates && flags & kinds != 0)
        slot(of: file).storeBytes(
            of: UnsafeRawPointer(Unmanaged.passRetained(object).toOpaque()),
            as: UnsafeRawPointer.self)
        file.pointee.pMethods = UnsafePointer(methods)
        return SQLITE_OK
    }

    private static func slot(
        of file: UnsafeMutablePointer<sqlite3_file>
    ) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(file) + MemoryLayout<sqlite3_file>.size
    }

    private static func reference(
        _ file: UnsafeMutablePointer<sqlite3_file>?
    ) -> Unmanaged<OpenFile>? {
        file.map { .fromOpaque(slot(of: $0).load(as: UnsafeRawPointer.self)) }
    }

    private static func with(
        _ file: UnsafeMutablePointer<sqlite3_file>?, _ body: (OpenFile) -> CInt
    ) -> CInt {
        reference(file).map { body($0.takeUnretainedValue()) } ?? SQLITE_IOERR
    }

    private func read(_ buffer: UnsafeMutableRawPointer?, count: Int, offset: Int) -> CInt {
        guard let buffer else { return ErrorCode.read }
        let got = disk.read(descriptor, into: buffer, count: count, offset: offset)
        guard got >= 0 else { return ErrorCode.read }
        guard got < count else { return SQLITE_OK }
        memset(buffer + got, 0, count - got)
        return ErrorCode.shortRead
    }

    private func write(_ buffer: UnsafeRawPointer?, count: Int, offset: Int) -> CInt {
        guard let buffer else { return ErrorCode.write }
        let done = disk.write(descriptor, from: buffer, count: count, offset: offset)
        if done == count { return SQLITE_OK }
        return done >= 0 || errno == ENOSPC ? SQLITE_FULL : ErrorCode.write
    }

    private func synchronize() -> CInt {
        guard disk.synchronize(descriptor) == 0 else { return ErrorCode.sync }
        guard syncsDirectory else { return SQLITE_OK }
        syncsDirectory = false
        return DiskVFS.synchronizeDirectory(of: path, on: disk)
    }

    private func control(_ operation: CInt, _ argument: UnsafeMutableRawPointer?) -> CInt {
        if operation == SQLITE_FCNTL_MMAP_SIZE {
            argument?.storeBytes(of: 0, as: sqlite3_int64.self)
            return SQLITE_OK
        }
        guard operation == SQLITE_FCNTL_PERSIST_WAL,
            let value = argument?.assumingMemoryBound(to: CInt.self)
        else { return SQLITE_NOTFOUND }
        if value.pointee < 0 {
            value.pointee = keepsWriteAheadLog
        } else {
            keepsWriteAheadLog = value.pointee
        }
        return SQLITE_OK
    }

    /// Lives as long as the process. Version 1: no shared memory, no memory mapping.
    private nonisolated(unsafe) static let methods: UnsafeMutablePointer<sqlite3_io_methods> = {
        let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        methods.initialize(to: sqlite3_io_methods())
        methods.pointee.iVersion = 1
        methods.pointee.xClose = { file in
            guard let reference = OpenFile.reference(file) else { return SQLITE_OK }
            let object = reference.takeRetainedValue()
            object.disk.close(object.descriptor)
            return SQLITE_OK
        }
        methods.pointee.xRead = { file, buffer, count, offset in
            OpenFile.with(file) { $0.read(buffer, count: Int(count), offset: Int(offset)) }
        }
        methods.pointee.xWrite = { file, buffer, count, offset in
            OpenFile.with(file) { $0.write(buffer, count: Int(count), offset: Int(offset)) }
        }
        methods.pointee.xTruncate = { file, size in
            OpenFile.with(file) { file in
                let result = file.disk.truncate(file.descriptor, to: Int(size))
                return result == 0 ? SQLITE_OK : ErrorCode.truncate
            }
        }
        methods.pointee.xSync = { file, _ in OpenFile.with(file) { $0.synchronize() } }
        methods.pointee.xFileSize = { file, size in
            OpenFile.with(file) { file in
                let bytes = file.disk.size(file.descriptor)
                size?.pointee = sqlite3_int64(max(0, bytes))
                return bytes >= 0 ? SQLITE_OK : ErrorCode.status
            }
        }
        methods.pointee.xLock = { _, _ in SQLITE_OK }
        methods.pointee.xUnlock = { _, _ in SQLITE_OK }
        methods.pointee.xCheckReservedLock = { _, answer in
            answer?.pointee = 0
            return SQLITE_OK
        }
        methods.pointee.xFileControl = { file, operation, argument in
            OpenFile.with(file) { $0.control(operation, argument) }
        }
        methods.pointee.xSectorSize = { _ in 4_096 }
        methods.pointee.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
        return methods
    }()
}
