package import BinaryCoding
package import NIOCore
package import RaftCore

/// Which frames a connection carries.
package enum ConnectionKind: UInt8, Hashable, Sendable, CustomStringConvertible {
    /// Everything but snapshot chunks.
    case main = 1
    /// Snapshot chunks only, so that they never delay a heartbeat (N20).
    case snapshot = 2

    package var description: String {
        switch self {
        case .main: "main"
        case .snapshot: "snapshot"
        }
    }
}

/// The dialler's first frame: who it is, whom it wants, what it speaks.
package struct Hello: Hashable, Sendable {
    /// "LTCHPEER": another protocol's bytes fail here, with a reason.
    package static let magic: UInt64 = 0x4C54_4348_5045_4552

    package var protocolVersions: ClosedRange<UInt16>
    package var clusterID: UInt64
    package var clusterName: String
    package var sender: ServerID
    package var receiver: ServerID
    package var memberDigest: UInt64
    package var kind: ConnectionKind
    /// Pings come every quarter of this. The listener does not give up earlier.
    package var linkTimeoutMilliseconds: UInt32
    /// Random; with the listener's, it makes the connection's checksums its own (N22).
    package var nonce: UInt64

    package init(
        protocolVersions: ClosedRange<UInt16>, clusterID: UInt64, clusterName: String,
        sender: ServerID, receiver: ServerID, memberDigest: UInt64, kind: ConnectionKind,
        linkTimeoutMilliseconds: UInt32, nonce: UInt64
    ) {
        self.protocolVersions = protocolVersions
        self.clusterID = clusterID
        self.clusterName = clusterName
        self.sender = sender
        self.receiver = receiver
        self.memberDigest = memberDigest
        self.kind = kind
        self.linkTimeoutMilliseconds = linkTimeoutMilliseconds
        self.nonce = nonce
    }
}

/// The listener's consent.
package struct Welcome: Hashable, Sendable {
    package var protocolVersion: UInt16
    package var sender: ServerID
    /// The Hello's nonce, so that a Welcome recorded earlier is not taken for this one.
    package var echoedNonce: UInt64
    package var nonce: UInt64

    package init(protocolVersion: UInt16, sender: ServerID, echoedNonce: UInt64, nonce: UInt64) {
        self.protocolVersion = protocolVersion
        self.sender = sender
        self.echoedNonce = echoedNonce
        self.nonce = nonce
    }
}

/// The listener's explicit no. The connection closes after it.
package struct HandshakeRefusal: Hashable, Sendable {
    /// Why. The numbers are part of the protocol.
    package enum Code: UInt8, Hashable, Sendable, CaseIterable {
        case notAHello = 1
        case noCommonVersion = 2
        case wrongCluster = 3
        case wrongReceiver = 4
        case claimsOwnID = 5
        case unknownSender = 6
        case memberDigestDiffers = 7
    }
    package var code: Code
    /// For people: what differs, with both sides' values.
    package var text: String

    package init(code: Code, text: String) {
        self.code = code
        self.text = text
    }
}

extension Hello {
    package func write(to buffer: inout ByteBuffer) {
        var seal = FrameSeal.unbound
        // Bounded by construction: see `PeerTransport.Configuration`.
        _ = buffer.writeFrame(.hello, seal: &seal) { body in
            body.writeInteger(Hello.magic)
            body.writeInteger(protocolVersions.lowerBound)
            body.writeInteger(protocolVersions.upperBound)
            body.writeInteger(clusterID)
            body.writeInteger(sender.rawValue)
            body.writeInteger(receiver.rawValue)
            body.writeInteger(memberDigest)
            body.writeInteger(kind.rawValue)
            body.writeInteger(linkTimeoutMilliseconds)
            body.writeInteger(nonce)
            body.writeText(clusterName)
        }
    }

    package static func decode(from reader: inout ByteReader) throws(DecodingFailure) -> Hello {
        guard try reader.read(UInt64.self, "hello.magic") == magic else {
            throw .invalid(field: "hello.magic", reason: "these bytes are no latchd peer's")
        }
        let lowest = try reader.read(UInt16.self, "hello.minimumVersion")
        let highest = try reader.read(UInt16.self, "hello.maximumVersion")
        guard lowest <= highest else {
            throw .invalid(field: "hello.versions", reason: "\(lowest) is over \(highest)")
        }
        let clusterID = try reader.read(UInt64.self, "hello.clusterID")
        let sender = try reader.readServerID("hello.sender")
        let receiver = try reader.readServerID("hello.receiver")
        let memberDigest = try reader.read(UInt64.self, "hello.memberDigest")
        let code = try reader.read(UInt8.self, "hello.kind")
        guard let kind = ConnectionKind(rawValue: code) else {
            throw .invalid(field: "hello.kind", reason: "\(code) is no kind of connection")
        }
        let linkTimeout = try reader.read(UInt32.self, "hello.linkTimeout")
        let nonce = try reader.read(UInt64.self, "hello.nonce")
        return Hello(
            protocolVersions: lowest...highest, clusterID: clusterID,
            clusterName: try reader.readText("hello.clusterName"), sender: sender,
            receiver: receiver, memberDigest: memberDigest, kind: kind,
            linkTimeoutMilliseconds: linkTimeout, nonce: nonce)
    }
}

extension Welcome {
    package func write(to buffer: inout ByteBuffer) {
        var seal = FrameSeal.unbound
        _ = buffer.writeFrame(.welcome, seal: &seal) { body in
            body.writeInteger(protocolVersion)
            body.writeInteger(sender.rawValue)
            body.writeInteger(echoedNonce)
            body.writeInteger(nonce)
        }
    }

    package static func decode(from reader: inout ByteReader) throws(DecodingFailure) -> Welcome {
        Welcome(
            protocolVersion: try reader.read(UInt16.self, "welcome.version"),
            sender: try reader.readServerID("welcome.sender"),
            echoedNonce: try reader.read(UInt64.self, "welcome.echoedNonce"),
            nonce: try reader.read(UInt64.self, "welcome.nonce"))
    }
}

extension HandshakeRefusal {
    package func write(to buffer: inout ByteBuffer) {
        var seal = FrameSeal.unbound
        _ = buffer.writeFrame(.refusal, seal: &seal) { body in
            body.writeInteger(code.rawValue)
            body.writeText(text)
        }
    }

    package static func decode(from reader: inout ByteReader) throws(DecodingFailure)
        -> HandshakeRefusal
    {
        let number = try reader.read(UInt8.self, "refusal.code")
        guard let code = Code(rawValue: number) else {
            throw .invalid(field: "refusal.code", reason: "\(number) is not a reason")
        }
        return HandshakeRefusal(code: code, text: try reader.readText("refusal.text"))
    }
}

extension ByteBuffer {
    /// A 32-bit count and UTF-8, cut to ``WireLimits/textBytes``.
    fileprivate mutating func writeText(_ text: String) {
        writeBlob([UInt8](text.prefixOfUTF8(bytes: WireLimits.textBytes).utf8))
    }
}

extension ByteReader {
    /// Reads text for people. Control characters become "?", since it ends up in logs.
    fileprivate mutating func readText(_ field: StaticString) throws(DecodingFailure) -> String {
        let text = try readString(field, limit: WireLimits.textBytes)
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: "?"
                    // default: open set
                    default: scalar
                    }
                }))
    }
}

extension String {
    /// The longest prefix of whole characters that takes at most `bytes` bytes of UTF-8.
    package func prefixOfUTF8(bytes: Int) -> Substring {
        var prefix = self[...]
        while prefix.utf8.count > bytes { prefix = prefix.dropLast() }
        return prefix
    }
}
