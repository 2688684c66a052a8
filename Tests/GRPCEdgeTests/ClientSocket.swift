#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Why a test's own client gave up.
enum ClientFailure: Error {
    case system(String, Int32)
    case timedOut(String)
    case protocolError(Int)
}

/// A TCP connection to 127.0.0.1 without any library in between, so that it can misbehave.
final class ClientSocket {
    private let descriptor: Int32
    /// The peer closed or reset the connection.
    private(set) var isClosed = false
    /// All that the server sent before it closed has been read.
    private(set) var isReadOver = false

    /// Connects; `source` is the last byte of the own address, 127.0.0.x.
    init(port: Int, source: UInt32? = nil) throws {
        #if canImport(Glibc)
        let stream = Int32(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { throw ClientFailure.system("socket", errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        if let source { try bindTo(source) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw ClientFailure.system("connect", errno) }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        var one: Int32 = 1
        setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { _ = close(descriptor) }

    private func bindTo(_ source: UInt32) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = (UInt32(0x7F00_0000) + source).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw ClientFailure.system("bind", errno) }
    }

    /// Waits until the socket can be read, or also written, for at most `milliseconds`.
    func wait(toWrite: Bool, milliseconds: Int32) {
        let events = Int16(POLLIN) | (toWrite ? Int16(POLLOUT) : 0)
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        _ = poll(&entry, 1, milliseconds)
    }

    /// Writes what the socket takes now.
    func writeSome(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard !isClosed, !bytes.isEmpty else { return 0 }
        #if canImport(Glibc)
        let flags = Int32(MSG_NOSIGNAL)
        #else
        let flags: Int32 = 0
        #endif
        let count = send(descriptor, bytes.baseAddress, bytes.count, flags)
        if count < 0, errno != EAGAIN, errno != EWOULDBLOCK { isClosed = true }
        return max(count, 0)
    }

    /// Reads what is there now.
    func readSome() -> [UInt8] {
        guard !isReadOver else { return [] }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            isClosed = true
            isReadOver = true
        }
        return Array(buffer.prefix(max(count, 0)))
    }
}

/// Polls `condition` until it holds; throws when it does not within `timeout`.
func eventually(
    _ what: String, within timeout: Duration = .seconds(10), _ condition: () throws -> Bool
) throws {
    let end = ContinuousClock.now + timeout
    while try !condition() {
        guard ContinuousClock.now < end else { throw ClientFailure.timedOut(what) }
        _ = poll(nil, 0, 2)
    }
}
