/// A peer that writes HTTP/2 frames by hand, right or wrong.
final class RawPeer {
    let socket: ClientSocket
    private(set) var received: [UInt8] = []

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    /// Connects, and unless told otherwise sends a correct preface.
    init(port: Int, greets: Bool = true, source: UInt32? = nil) throws {
        socket = try ClientSocket(port: port, source: source)
        if greets { send(Self.preface + Self.frame(4, flags: 0, stream: 0, [])) }
    }

    /// Writes all of `bytes`, reading meanwhile if asked to, until they are written, the server
    /// closes, or it takes nothing for two seconds.
    @discardableResult
    func send(_ bytes: [UInt8], reads: Bool = true) -> Bool {
        var offset = 0
        var stalled = 0
        while offset < bytes.count, !socket.isClosed, stalled < 40 {
            let count = bytes.withUnsafeBytes {
                socket.writeSome(UnsafeRawBufferPointer(rebasing: $0[offset...]))
            }
            offset += count
            if reads { received += socket.readSome() }
            stalled = count == 0 ? stalled + 1 : 0
            if count == 0 { socket.wait(toWrite: true, milliseconds: 50) }
        }
        return offset == bytes.count
    }

    /// Reads what is there.
    func receive() {
        received += socket.readSome()
    }

    /// Reads until the server has greeted, with its SETTINGS (RFC 9113 §3.4).
    func waitForSettings() throws {
        try eventually("the server's SETTINGS") {
            receive()
            return frameTypes.contains(4)
        }
    }

    /// Reads until the server has closed.
    func waitForClose(within timeout: Duration = .seconds(10)) throws {
        try eventually("the server closes", within: timeout) {
            received += socket.readSome()
            return socket.isReadOver
        }
    }

    /// The types of the frames received so far.
    var frameTypes: [UInt8] { frames.map(\.type) }

    /// The error codes of the GOAWAY frames received so far (RFC 9113 §6.8).
    var goAwayCodes: [UInt32] {
        frames.filter { $0.type == 7 }.map { frame in
            frame.payload.dropFirst(4).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// The error codes of the RST_STREAM frames received so far (RFC 9113 §6.4).
    var resetCodes: [UInt32] {
        frames.filter { $0.type == 3 }.map { frame in
            frame.payload.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    /// The code for a peer that asks for too much (RFC 9113 §7).
    static let enhanceYourCalm: UInt32 = 0xB
    /// The code for a window beyond 2³¹ - 1 (RFC 9113 §6.9.1).
    static let flowControlError: UInt32 = 3

    private var frames: [(type: UInt8, payload: ArraySlice<UInt8>)] {
        var frames: [(type: UInt8, payload: ArraySlice<UInt8>)] = []
        var rest = received[...]
        while rest.count >= 9 {
            let start = rest.startIndex
            let length = Int(rest[start]) << 16 | Int(rest[start + 1]) << 8 | Int(rest[start + 2])
            frames.append((rest[start + 3], rest.dropFirst(9).prefix(length)))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }

    /// One frame (RFC 9113 §4.1).
    static func frame(
        _ type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = payload.count
        var bytes = [UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255)]
        bytes += [type, flags]
        bytes += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: stream >> $0) }
        return bytes + payload
    }

    /// A field as a literal without indexing (RFC 7541 §6.2.2); name and value under 127 bytes.
    static func field(_ name: String, _ value: String) -> [UInt8] {
        [0, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
    }

    /// The header block of a call.
    static func requestBlock(_ path: String) -> [UInt8] {
        field(":method", "POST") + field(":scheme", "http") + field(":path", path)
            + field(":authority", "test") + field("content-type", "application/grpc")
            + field("te", "trailers")
    }

    /// HEADERS that open a call on `stream`, which may send a body.
    static func open(_ path: String, stream: UInt32) -> [UInt8] {
        frame(1, flags: 4, stream: stream, requestBlock(path))
    }
}
