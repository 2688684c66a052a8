#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Where one node serves clients: a host name or address, and a port.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    public let host: String
    /// 1 … 65535.
    public let port: Int

    /// An endpoint from its parts; nil if the host is empty or the port is out of range.
    public init?(host: String, port: Int) {
        guard !host.isEmpty, (1...65_535).contains(port) else { return nil }
        self.host = host
        self.port = port
    }

    /// Reads `host:port` or `[ipv6]:port`; nil if the text is neither.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = Int(digits) else {
            return nil
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            // An IPv6 address without brackets: which colon starts the port is a guess.
            return nil
        }
        guard !host.contains(where: { $0.isWhitespace || "[]/,".contains($0) }) else { return nil }
        self.init(host: String(host), port: port)
    }

    /// `host:port`, with brackets around an IPv6 address.
    public var description: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension Endpoint {
    /// What kind of address literal a host is.
    package enum Literal: Sendable {
        case ipv4
        case ipv6
    }

    /// Nil for a name, which has to be looked up.
    package var literal: Literal? {
        // Large enough for either kind.
        var address = in6_addr()
        if inet_pton(AF_INET, host, &address) == 1 { return .ipv4 }
        return inet_pton(AF_INET6, host, &address) == 1 ? .ipv6 : nil
    }
}
