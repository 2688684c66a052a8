/// Reading and comparing addresses.
extension HostPort {
    /// Why a text is no address.
    struct Misspelling: Error, Equatable {
        var message: String
    }

    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`; names are not resolved.
    init(parsing text: String) throws(Misspelling) {
        guard let colon = text.lastIndex(of: ":") else {
            throw Misspelling(
                message:
                    "\(quoted(text)) has no port. Write host:port, for example \(text.isEmpty ? "node1" : text):7301."
            )
        }
        let port = text[text.index(after: colon)...]
        guard let number = Int(port), port.allSatisfy(\.isASCII), (1...65_535).contains(number)
        else {
            throw Misspelling(
                message: "\(quoted(text)) has no port from 1 to 65535 after the colon.")
        }
        self.init(host: try Self.host(text[..<colon], of: text), port: number)
    }

    private static func host(_ host: Substring, of text: String) throws(Misspelling) -> String {
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inner = host.dropFirst().dropLast()
            let letters = "0123456789abcdefABCDEF:."
            guard inner.contains(":"), inner.count <= 45, inner.allSatisfy({ letters.contains($0) })
            else {
                throw Misspelling(message: "\(quoted(text)) has no IPv6 address in the brackets.")
            }
            return String(inner)
        }
        guard !host.contains(":") else {
            throw Misspelling(
                message:
                    "\(quoted(text)) has several colons. Write an IPv6 address in brackets: [::1]:7301."
            )
        }
        guard !host.isEmpty else {
            throw Misspelling(
                message:
                    "\(quoted(text)) has no host. Write host:port, for example 127.0.0.1\(text).")
        }
        let isPlain = host.allSatisfy {
            $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
        }
        guard isPlain, host.utf8.count <= 253, !host.hasPrefix("-") else {
            throw Misspelling(
                message: "\(quoted(text)) has a host with characters that host names do not have. "
                    + "Allowed are letters, digits, '-', '.' and '_'.")
        }
        return String(host)
    }

    /// Listens on every interface; nobody can dial it.
    var isWildcard: Bool { ["0.0.0.0", "::", "0", "*"].contains(host) }

    /// Reachable from the same machine only.
    var isLoopback: Bool {
        let name = host.lowercased()
        return name == "localhost" || name == "::1" || name.hasPrefix("127.")
    }

    /// Equal for spellings that are known to mean the same place without asking anybody.
    var comparable: HostPort {
        let name = host.lowercased()
        return HostPort(host: name == "localhost" ? "127.0.0.1" : name, port: port)
    }

    /// Both could not be bound on one machine at the same time.
    func collides(with other: HostPort) -> Bool {
        port == other.port
            && (isWildcard || other.isWildcard || comparable.host == other.comparable.host)
    }
}
