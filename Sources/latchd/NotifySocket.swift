#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One way out: datagrams to a socket of the local machine, each sent whole or not at all.
final class NotifySocket: Sendable {
    private let descriptor: Int32
    private let address: sockaddr_un
    private let length: socklen_t

    /// - Parameter path: absolute, or `@` and a name of Linux's abstract namespace.
    /// - Returns: nil if such an address cannot be, or the system has no descriptor to give.
    init?(_ path: String) {
        guard let (address, length) = Self.address(path) else { return nil }
        descriptor = socket(AF_UNIX, Self.datagram, 0)
        self.address = address
        self.length = length
        guard descriptor >= 0 else { return nil }
    }

    #if canImport(Glibc)
    private static let datagram = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    #else
    private static let datagram = Int32(SOCK_DGRAM)
    #endif

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Never waits: a manager whose queue is full does not hear this one.
    ///
    /// - Returns: whether the message is on its way.
    @discardableResult
    func send(_ message: String) -> Bool {
        let bytes = Array(message.utf8)
        return withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT), target, length)
            }
        } == bytes.count
    }

    /// The address and its length: an abstract name ends with its last byte, not with a zero.
    private static func address(_ path: String) -> (sockaddr_un, socklen_t)? {
        var bytes = Array(path.utf8)
        guard bytes.count > 1, !bytes.contains(0) else { return nil }
        switch bytes[0] {
        case UInt8(ascii: "/"): bytes.append(0)
        case UInt8(ascii: "@"): bytes[0] = 0
        // default: open set (bytes)
        default: return nil
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard bytes.count <= room.count else { return false }
            room.copyBytes(from: bytes)
            return true
        }
        guard fits, let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) else {
            return nil
        }
        return (address, socklen_t(offset + bytes.count))
    }
}
