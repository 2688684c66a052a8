import BinaryCoding
import Testing

@Suite("CRC32C (RFC 3720)")
struct CRC32CTests {
    @Test(
        "the test vectors of RFC 3720, appendix B.4",
        arguments: [
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            ([UInt8](0..<32), 0x46DD_794E),
            ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        ] as [([UInt8], UInt32)])
    func vectors(bytes: [UInt8], checksum: UInt32) {
        #expect(CRC32C.checksum(bytes) == checksum)
    }

    @Test("the check value of the CRC catalogue")
    func checkValue() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8]()) == 0)
    }

    @Test("feeding bytes in two pieces, cut anywhere, gives the checksum of the whole")
    func pieces() {
        let bytes = (0..<67).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        for cut in 0...bytes.count {
            var crc = CRC32C()
            crc.update(Array(bytes[..<cut]))
            crc.update(Array(bytes[cut...]))
            #expect(crc.value == CRC32C.checksum(bytes))
        }
    }

    @Test("eight bytes at a time agree with one bit at a time, at every length and alignment")
    func bitByBit() {
        let bytes = (0..<80).map { UInt8(truncatingIfNeeded: $0 &* 101 &+ 7) }
        for start in 0..<9 {
            for end in start...bytes.count {
                let piece = Array(bytes[start..<end])
                #expect(CRC32C.checksum(piece) == Self.slowChecksum(piece))
                let inPlace = bytes.withUnsafeBytes {
                    CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[start..<end]))
                }
                #expect(inPlace == CRC32C.checksum(piece))
            }
        }
    }

    @Test("an integer counts as its big-endian bytes")
    func integers() {
        var crc = CRC32C()
        crc.update(UInt32(0x3132_3334))
        crc.update(UInt8(0x35))
        crc.update(UInt32(0x3637_3839))
        #expect(crc.value == 0xE306_9283)
    }

    @Test("every single flipped bit is noticed")
    func flippedBits() {
        let bytes = [UInt8](0..<40)
        let checksum = CRC32C.checksum(bytes)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(CRC32C.checksum(damaged) != checksum)
        }
    }

    private static func slowChecksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc & 1) == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
        }
        return ~crc
    }
}
