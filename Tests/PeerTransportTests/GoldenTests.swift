import BinaryCoding
import NIOCore
import PeerTransport
import RaftCore
import Testing

/// The exact bytes on the wire. A change here is a change of the protocol: it needs a new version
/// and a line in `Docs/PeerProtocol.md`.
@Suite("The peer protocol's bytes (N16)")
struct GoldenTests {
    @Test("every frame has exactly these bytes", arguments: sampleFrames.map(\.name))
    func frames(_ name: String) throws {
        let frame = try #require(sampleFrames.first { $0.name == name }?.frame)
        #expect(spaced(encoded([frame])) == goldenFrames[name])
    }

    @Test("the handshake has exactly these bytes")
    func handshake() {
        var bytes = ByteBuffer()
        hello(nonce: 0x0102_0304_0506_0708).write(to: &bytes)
        #expect(spaced(bytes) == goldenFrames["hello"])
        bytes.clear()
        Welcome(protocolVersion: 1, sender: ServerID(1), echoedNonce: 7, nonce: 8)
            .write(to: &bytes)
        #expect(spaced(bytes) == goldenFrames["welcome"])
        bytes.clear()
        HandshakeRefusal(code: .wrongCluster, text: "no").write(to: &bytes)
        #expect(spaced(bytes) == goldenFrames["refusal"])
    }

    @Test("checksums after the handshake cover the nonces, the direction and the number")
    func sealed() {
        var seal = FrameSeal(diallerNonce: 7, listenerNonce: 8, direction: .fromDialler)
        var bytes = ByteBuffer()
        _ = bytes.writeFrame(.confirm, seal: &seal) { $0.writeInteger(UInt64(8)) }
        #expect(spaced(bytes) == goldenFrames["confirm"])
        bytes.clear()
        _ = bytes.writeFrame(.ping, seal: &seal) { $0.writeInteger(UInt64(1)) }
        #expect(spaced(bytes) == goldenFrames["ping"])
        var crc = CRC32C()
        crc.update(UInt64(7))
        crc.update(UInt64(8))
        crc.update(UInt8(1))
        crc.update(UInt64(1))
        crc.update(FrameType.ping.rawValue)
        crc.update(UInt64(1))
        #expect(bytes.getInteger(at: 13, as: UInt32.self) == crc.value)
    }

    /// Hexadecimal: length, type, body, checksum.
    private func spaced(_ bytes: ByteBuffer) -> String {
        let hex = bytes.readableBytesView.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        let parts = [hex[..<4], hex[4..<5], hex[5..<(hex.count - 4)], hex[(hex.count - 4)...]]
        return parts.map { $0.joined() }.joined(separator: " ")
    }
}
