/// One operation that may change what a disk holds. Reads are not among them.
package enum DiskOperation: Sendable, CustomStringConvertible {
    case makeDirectory(String)
    case create(String)
    case write(String, offset: Int, count: Int)
    case truncate(String, size: Int)
    case synchronize(String)
    case rename(String, to: String)
    case unlink(String)

    package var description: String {
        switch self {
        case .makeDirectory(let path): "mkdir \(path)"
        case .create(let path): "create \(path)"
        case .write(let path, let offset, let count): "write \(path) \(count) bytes at \(offset)"
        case .truncate(let path, let size): "truncate \(path) to \(size)"
        case .synchronize(let path): "sync \(path)"
        case .rename(let path, let newPath): "rename \(path) to \(newPath)"
        case .unlink(let path): "unlink \(path)"
        }
    }
}

/// What a disk does instead of an operation.
package enum DiskFault: Sendable {
    /// Fails with this `errno`; a write leaves nothing, a sync drops what it was to make durable.
    case error(Int32)
    /// Fails with this `errno` after half of a write was done.
    case halfWayError(Int32)
    /// The power goes in the middle of the operation: every later one fails and does nothing.
    case powerOff
}
