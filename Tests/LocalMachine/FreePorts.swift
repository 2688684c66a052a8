import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Ports on 127.0.0.1 that nobody listens on; none is given twice by a process.
///
/// They lie below those that a system gives to outgoing connections (from 32768 on Linux, from
/// 49152 elsewhere): one of them could take the port before the server does. And no socket is bound
/// to find out: a process that another test starts at that moment inherits it, NIO's listening ones
/// too, and keeps the port for its life.
package enum FreePorts {
    private static let range = 12_000..<32_000
    /// Processes that begin at different places seldom meet.
    private static let next = Atomic<Int>(Int.random(in: range))

    package static func take(_ count: Int) -> [Int] {
        (0..<count).map { _ in takeOne() }
    }

    package static func takeOne() -> Int {
        for _ in range {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            let port = range.lowerBound + number % range.count
            if !isServed(port) { return port }
        }
        fatalError("all ports from \(range.lowerBound) to \(range.upperBound - 1) are in use")
    }

    /// Whether a connection is accepted, or anything but refused.
    private static func isServed(_ port: Int) -> Bool {
        #if canImport(Glibc)
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        let descriptor = socket(AF_INET, kind, 0)
        // Without descriptors nobody can tell; the server that wants the port will.
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return result == 0 || errno != ECONNREFUSED
    }
}
