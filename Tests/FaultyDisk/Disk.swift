package import RaftStorage

/// What SQLite needs beside the calls that storage makes: with it, both use one disk.
package protocol Disk: SystemCalls {
    func unlink(_ path: String) -> Int32
    /// The size of an open file in bytes; negative on failure.
    func size(_ descriptor: Int32) -> Int
}
