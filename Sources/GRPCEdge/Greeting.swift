/// The first bytes of a connection: HTTP/2 starts with a fixed preface (RFC 9113 §3.4).
///
/// Nothing is sent before they are seen, so that an HTTP/1 client reads text and not frames.
struct Greeting {
    enum Verdict {
        case undecided
        case http2
        case http1
        case foreign
    }

    var bytes: [UInt8] = []

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    /// "PRI " is enough: from there on the HTTP/2 session checks the preface itself.
    private static let decisive = 4

    /// What the bytes so far say.
    var verdict: Verdict {
        let length = min(bytes.count, Self.preface.utf8CodeUnitCount)
        for index in 0..<length where bytes[index] != Self.preface.utf8Start[index] {
            // A method of HTTP/1 is upper case; TLS and others are not.
            let isText = bytes.prefix(3).allSatisfy { (0x41...0x5A).contains($0) }
            return isText ? .http1 : .foreign
        }
        return length < Self.decisive ? .undecided : .http2
    }

    /// What an HTTP/1 client is told.
    static let refusal = {
        let text = "This port speaks gRPC over HTTP/2 only.\n"
        return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
            + "Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)"
    }()
}
