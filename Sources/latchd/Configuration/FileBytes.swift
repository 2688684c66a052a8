#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads small files, never more than asked for, whatever the path turns out to be.
enum FileBytes {
    /// Why a file cannot be read, in the system's words.
    struct Failure: Error, Equatable {
        var message: String
    }

    /// The first `limit` bytes of a file.
    static func read(_ path: String, atMost limit: Int) throws(Failure) -> [UInt8] {
        guard !path.utf8.contains(0) else {
            throw Failure(message: "the path contains a zero byte")
        }
        // A pipe without a writer would block for ever without O_NONBLOCK.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < limit {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            guard count > 0 else { break }
            bytes.append(contentsOf: chunk.prefix(min(count, limit - bytes.count)))
        }
        return bytes
    }

    private static func failure() -> Failure {
        Failure(message: String(cString: strerror(errno)))
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    read(descriptor, buffer.baseAddress, buffer.count)
}
